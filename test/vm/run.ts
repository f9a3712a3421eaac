/**
 * Runs integration tests on a distribution's own kernel, in a virtual machine, with Open vSwitch's kernel datapath.
 * Closes with a line that is exactly `N passed, N failed, N skipped`.
 */
import { readdirSync, statSync } from 'node:fs'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { commandLine } from '../runner/command-line.js'
import { type Counts, reportedCounts, total } from '../runner/counts.js'
import { image } from './image.js'
import { type Accelerator, accelerator, boot, killMachines } from './machine.js'
import { type StockKernel, stockKernel } from './stock-kernel.js'

const dist = resolve(dirname(fileURLToPath(import.meta.url)), '..', '..')
const root = dirname(dist)

/**
 * Integration tests for which it matters what kernel and what datapath there are. Of the others, some need Docker, whose
 * programs are half a gigabyte, some are about what is said to ovsdb-server and ovs-vswitchd or on the command line, or
 * refused before anything is said, and some about this suite.
 */
const KERNEL_MATTERS = new Set([
  'bridge',
  'explain',
  'faults-ovs',
  'kernel',
  'kernel-meeting',
  'kernel-plan',
  'kernel-ready',
  'kernel-undo',
  'mirror',
  'openflow-traffic',
  'ovs',
  'ovs-internal',
  'ovs-neigh-suppress',
  'plug-options',
  'switch-taps',
  'vde-cable',
  'vde-vswitch',
])

const CLOSING = /^\d+ passed, \d+ failed, \d+ skipped$/
const ONE_FAILED: Counts = { passed: 0, failed: 1, skipped: 0 }

const USAGE = `npm run test:vm runs all tests that depend on the kernel and Open vSwitch's datapath in it, in virtual machines;
npm run test:vm -- ovs those whose name holds each of the words.

--timeout SECONDS    for each machine; default 1200
--machines N         how many share the tests at a time, each with one processor; default 2
--help               prints this`

// The machine that counts has two cores.
const { options, words } = commandLine(USAGE, { timeout: 1200, machines: 2 })

const directory = await mkdtemp(join(tmpdir(), 'ecdock-vm-'))
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    killMachines()
    process.exitCode = signal === 'SIGINT' ? 130 : 143
  })
}
try {
  const kernel = stockKernel(root)
  if (kernel === undefined) {
    console.log('there is no kernel: "node scripts/setup.mjs vm" gets one')
    close(ONE_FAILED)
  } else {
    await runOn(kernel)
  }
} finally {
  await rm(directory, { recursive: true, force: true })
}

async function runOn(kernel: StockKernel): Promise<void> {
  const tests = [...testsIn('integration', (name) => KERNEL_MATTERS.has(name)), ...testsIn('vm')]
  if (tests.length === 0) {
    console.log(`no test has ${words.join(' and ')} in its name`)
    close(ONE_FAILED)
    return
  }
  const accelerated = accelerator()
  const how = accelerated === 'tcg' ? 'emulated, which takes minutes' : 'with KVM'
  console.log(`Linux ${kernel.release} in QEMU (${how}), Open vSwitch on datapath system`)
  const begin = performance.now()
  const all = await Promise.all(
    dealtOut(tests).map((some, number) => runInMachine(kernel, accelerated, some, String(number))),
  )
  const seconds = ((performance.now() - begin) / 1000).toFixed(0)
  const machines = all.length === 1 ? 'one machine' : `${all.length} machines`
  console.log(`\nLinux ${kernel.release} in QEMU, ${machines}, on for ${seconds} s`)
  close(total(all))
}

/** Runs these tests in a machine of their own. */
async function runInMachine(
  kernel: StockKernel,
  accelerated: Accelerator,
  tests: readonly string[],
  name: string,
): Promise<Counts> {
  const own = join(directory, name)
  const initramfs = join(own, 'initramfs')
  await mkdir(own)
  await (await image({ root, dist, kernel, tests, emulated: accelerated === 'tcg' })).writeTo(initramfs)
  const ended = await boot({
    kernel,
    initramfs,
    directory: own,
    accelerator: accelerated,
    timeoutMs: options.timeout * 1000,
    // The line that closes must be the only one of its kind.
    onLine: (line) => CLOSING.test(line) || console.log(line),
  })
  const counts = reportedCounts(ended.output)
  if (ended.status === 0) return counts
  console.log(`\nWhat the machine's console shows:\n${ended.console.trimEnd().replace(/^/gm, '    ')}`)
  if (ended.status === undefined) {
    console.log(
      `the machine ${ended.timedOut ? 'took too long and was ended' : 'ended before its tests did'}`,
    )
  }
  // What was still to be run counts as one that failed.
  return ended.status === undefined || counts.failed === 0 ? total([counts, ONE_FAILED]) : counts
}

/** What is longest, which takes longest as a rule, goes to each machine in turn. */
function dealtOut(tests: readonly string[]): string[][] {
  const size = (test: string) => statSync(join(dist, test)).size
  const sorted = [...tests].sort((one, other) => size(other) - size(one))
  const { machines } = options
  const deals = Array.from({ length: machines }, (_, machine) =>
    sorted.filter((_, at) => at % machines === machine),
  )
  return deals.filter((deal) => deal.length > 0)
}

/** Compiled test files, as paths below dist/. */
function testsIn(folder: string, matters: (name: string) => boolean = () => true): string[] {
  return readdirSync(join(dist, 'test', folder))
    .filter((file) => file.endsWith('.test.js'))
    .map((file) => file.slice(0, -'.test.js'.length))
    .filter((name) => matters(name) && words.every((word) => `${folder}/${name}`.includes(word)))
    .map((name) => join('test', folder, `${name}.test.js`))
}

function close({ passed, failed, skipped }: Counts): void {
  console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`)
  process.exitCode ??= failed > 0 ? 1 : 0
}
