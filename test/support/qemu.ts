import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { accelerator } from '../vm/machine.js'
import { type StockKernel, stockKernel } from '../vm/stock-kernel.js'
import { run, runToEnd, waitUntil } from './process.js'

const CHECKOUT = fileURLToPath(new URL('../../../', import.meta.url))

/** The kernel that machines boot; undefined where this distribution has none that set-up could get. */
export const KERNEL: StockKernel | undefined = stockKernel(CHECKOUT)

/** Whether QEMU can plug itself into a VDE switch: Debian's can, Ubuntu's is built without. */
export async function qemuHasVde(): Promise<boolean> {
  return /^vde$/m.test((await runToEnd('qemu-system-x86_64', ['-netdev', 'help'])).output)
}

export interface TinyMachineOptions {
  /** QEMU's arguments for its network card. */
  network: readonly string[]
  /** The address that it gives itself, with its prefix length. */
  address: string
  /** The address that it pings before it says that it is ready. */
  ping: string
}

export interface TinyMachine {
  pid: number
  /** Ends it as if its power was cut. */
  stop(): Promise<void>
}

/**
 * Boots examples/qemu/initramfs.sh, and waits until what it pings has answered. It sends back what comes to TCP port 7.
 */
export async function bootTinyMachine(
  kernel: StockKernel,
  { network, address, ping }: TinyMachineOptions,
): Promise<TinyMachine> {
  const directory = await mkdtemp(join(tmpdir(), 'machine-'))
  const initramfs = join(directory, 'initramfs')
  const console = join(directory, 'console')
  // modprobe looks for lib/modules/RELEASE below the directory that it is given.
  const base = kernel.modules.replace(/(usr\/)?lib\/modules\/[^/]+$/, '')
  await run(join(CHECKOUT, 'examples/qemu/initramfs.sh'), [initramfs, kernel.release, base])
  const machine = spawn(
    'qemu-system-x86_64',
    [
      ...['-accel', accelerator(), '-m', '128', '-nodefaults', '-no-user-config', '-no-reboot'],
      ...['-display', 'none', '-kernel', kernel.image, '-initrd', initramfs, '-serial', `file:${console}`],
      ...['-append', `console=ttyS0 quiet panic=-1 address=${address} ping=${ping}`, ...network],
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  )
  const gone = once(machine, 'close')
  let said = ''
  machine.stderr.setEncoding('utf8').on('data', (text: string) => {
    said += text
  })
  const stop = async () => {
    machine.kill('SIGKILL')
    await gone
    await rm(directory, { recursive: true, force: true })
  }
  try {
    await waitUntil(
      'the machine is ready',
      () => {
        if (machine.exitCode !== null) throw new Error(`it has ended: ${said}`)
        return textOf(console).includes(`the machine with ${address} is ready`)
      },
      60_000,
    )
  } catch (error) {
    const shown = textOf(console)
    await stop()
    throw new Error(`${String(error)}\n${said}${shown}`)
  }
  return { pid: machine.pid ?? 0, stop }
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
