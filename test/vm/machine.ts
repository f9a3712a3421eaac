import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { accessSync, constants, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { StockKernel } from './stock-kernel.js'

export type Accelerator = 'kvm' | 'tcg'

export interface MachineOptions {
  kernel: StockKernel
  /** Path of the archive that is its root file system. */
  initramfs: string
  /** For files of the machine's own. */
  directory: string
  accelerator: Accelerator
  timeoutMs: number
}

export interface MachineEnded {
  /** Exit status of the tests; undefined when the machine ended without one. */
  status: number | undefined
  timedOut: boolean
  /** What the tests have printed. It has been shown meanwhile, too. */
  output: string
  /** The kernel's messages. */
  console: string
}

let running: ChildProcess | undefined

/** KVM where the processor has it and it may be used; a /dev/kvm can be there and not work. */
export function accelerator(): Accelerator {
  try {
    accessSync('/dev/kvm', constants.R_OK | constants.W_OK)
    return /^flags\s*:.*\b(vmx|svm)\b/m.test(readFileSync('/proc/cpuinfo', 'utf8')) ? 'kvm' : 'tcg'
  } catch {
    return 'tcg'
  }
}

/** Starts a machine and waits until it is off. Rejects when QEMU cannot be started. */
export async function boot(options: MachineOptions): Promise<MachineEnded> {
  const lines = { console: join(options.directory, 'console'), status: join(options.directory, 'status') }
  const machine = spawn('qemu-system-x86_64', qemuArguments(options, lines), {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  running = machine
  let output = ''
  machine.stdout.setEncoding('utf8').on('data', (text: string) => {
    const shown = text.replaceAll('\r', '')
    output += shown
    process.stdout.write(shown)
  })
  let timedOut = false
  const timer = setTimeout(() => {
    timedOut = true
    killMachine()
  }, options.timeoutMs)
  try {
    await once(machine, 'close')
  } finally {
    clearTimeout(timer)
    running = undefined
  }
  const status = /^exit status (\d+)$/m.exec(textOf(lines.status))?.[1]
  return {
    status: status === undefined ? undefined : Number(status),
    timedOut,
    output,
    console: textOf(lines.console),
  }
}

/** Ends the machine that is running now, if there is one. */
export function killMachine(): void {
  running?.kill('SIGKILL')
}

/**
 * A machine (qemu(1)) without disks and networks, with three serial lines: the kernel's console, what the tests print, and
 * their exit status.
 */
function qemuArguments(options: MachineOptions, lines: { console: string; status: string }): string[] {
  return [
    ...['-accel', options.accelerator, '-cpu', 'max', '-smp', '2', '-m', '2048'],
    ...['-nodefaults', '-no-user-config', '-no-reboot', '-display', 'none', '-sandbox', 'on'],
    ...['-kernel', options.kernel.image, '-initrd', options.initramfs],
    // A panic ends the machine.
    ...['-append', 'console=ttyS0 loglevel=5 panic=-1'],
    ...['-serial', `file:${lines.console}`, '-serial', 'stdio', '-serial', `file:${lines.status}`],
  ]
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8').replaceAll('\r', '')
  } catch {
    return ''
  }
}
