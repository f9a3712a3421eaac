import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { accessSync, constants, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
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
  /** Called with each line that the tests print. */
  onLine: (line: string) => void
}

export interface MachineEnded {
  /** Exit status of the tests; undefined when the machine ended without one. */
  status: number | undefined
  timedOut: boolean
  /** What the tests have printed. */
  output: string
  /** The kernel's messages. */
  console: string
}

/**
 * What is a help to a processor, and a burden where one is emulated. Of its features: copies byte by byte (erms), a fifth
 * level of page tables (la57), and a lock on the memory of processes (smap). Of the kernel's ways: detours that keep
 * secrets from other processes, and asking other clocks than the processor's, which is this machine's.
 */
const EMULATED = { cpu: ',erms=off,la57=off,smap=off', kernel: ' mitigations=off tsc=reliable' }

const running = new Set<ChildProcess>()

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
  running.add(machine)
  let output = ''
  createInterface(machine.stdout).on('line', (line) => {
    output += `${line}\n`
    options.onLine(line)
  })
  let timedOut = false
  const timer = setTimeout(() => {
    timedOut = true
    machine.kill('SIGKILL')
  }, options.timeoutMs)
  try {
    await once(machine, 'close')
  } finally {
    clearTimeout(timer)
    running.delete(machine)
  }
  const status = /^exit status (\d+)$/m.exec(textOf(lines.status))?.[1]
  return {
    status: status === undefined ? undefined : Number(status),
    timedOut,
    output,
    console: textOf(lines.console),
  }
}

/** Ends the machines that are running now. */
export function killMachines(): void {
  for (const machine of running) machine.kill('SIGKILL')
}

/**
 * A machine (qemu(1)) without disks and networks, with three serial lines: the kernel's console, what the tests print, and
 * their exit status. It has one processor: while one of several that are emulated changes the kernel's code, as for a first
 * rule of netfilter, another one may go on with what it was (QEMU 7.2), and never come to an end.
 */
function qemuArguments(options: MachineOptions, lines: { console: string; status: string }): string[] {
  const { cpu, kernel } = options.accelerator === 'tcg' ? EMULATED : { cpu: '', kernel: '' }
  return [
    ...['-accel', options.accelerator, '-cpu', `max${cpu}`, '-smp', '1', '-m', '1536'],
    ...['-nodefaults', '-no-user-config', '-no-reboot', '-display', 'none', '-sandbox', 'on'],
    ...['-kernel', options.kernel.image, '-initrd', options.initramfs],
    // A panic ends the machine.
    ...['-append', `console=ttyS0 loglevel=5 panic=-1${kernel}`],
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
