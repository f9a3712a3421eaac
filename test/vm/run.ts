/**
 * Runs integration tests on a distribution's own kernel, in a virtual machine, with Open vSwitch's kernel datapath:
 * `npm run test:vm` runs all that depend on these, `npm run test:vm -- ovs` those whose name holds each of the words.
 * Closes with a line that is exactly `N passed, N failed, N skipped`.
 *
 * --timeout SECONDS    for everything; default 900
 */
import { readdirSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { type Counts, reportedCounts } from '../runner/counts.js'
import { image } from './image.js'
import { accelerator, boot, killMachine } from './machine.js'
import { type StockKernel, stockKernel } from './stock-kernel.js'

const dist = resolve(dirname(fileURLToPath(import.meta.url)), '..', '..')
const root = dirname(dist)

/**
 * Integration tests for which it matters what kernel and what datapath there are. Of the others, some need Docker, whose
 * programs are half a gigabyte, some are about what is said to ovsdb-server and ovs-vswitchd or refused before anything
 * is said, and some about this suite.
 */
const KERNEL_MATTERS = new Set([
  'bridge',
  'cli-ovs',
  'explain',
  'faults-ovs',
  'kernel',
  'kernel-plan',
  'kernel-ready',
  'kernel-undo',
  'mirror',
  'openflow-traffic',
  'ovs',
  'ovs-internal',
  'ovs-neigh-suppress',
  'ovsdb-vswitchd',
  'plug-options',
  'switch-taps',
  'vde-cable',
  'vde-vswitch',
])

const { values, positionals: words } = parseArgs({
  allowPositionals: true,
  options: { timeout: { type: 'string', default: '900' } },
})

const directory = await mkdtemp(join(tmpdir(), 'ecdock-vm-'))
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    killMachine()
    process.exitCode = signal === 'SIGINT' ? 130 : 143
  })
}
try {
  const kernel = stockKernel(root)
  if (kernel === undefined) failed('there is no kernel: "node scripts/setup.mjs vm" gets one')
  else await runOn(kernel)
} finally {
  await rm(directory, { recursive: true, force: true })
}

async function runOn(kernel: StockKernel): Promise<void> {
  const tests = [...testsIn('integration', (name) => KERNEL_MATTERS.has(name)), ...testsIn('vm')]
  if (tests.length === 0) {
    failed(`no test has ${words.join(' and ')} in its name`)
    return
  }
  const accelerated = accelerator()
  const initramfs = join(directory, 'initramfs')
  const patience = accelerated === 'kvm' ? 1 : 5
  await (await image({ root, dist, kernel, tests, patience })).writeTo(initramfs)
  const how = accelerated === 'kvm' ? 'with KVM' : 'emulated, which takes minutes'
  console.log(`Linux ${kernel.release} in QEMU (${how}), Open vSwitch on datapath system`)
  const begin = performance.now()
  const timeoutMs = Number(values.timeout) * 1000
  const ended = await boot({ kernel, initramfs, directory, accelerator: accelerated, timeoutMs })
  const seconds = ((performance.now() - begin) / 1000).toFixed(0)
  if (ended.status === undefined) {
    console.log(`\nWhat the machine's console shows:\n${ended.console.trimEnd().replace(/^/gm, '    ')}`)
    const why = ended.timedOut ? 'took too long and was ended' : 'ended before the tests did'
    failed(`the machine ${why}, after ${seconds} s`, reportedCounts(ended.output))
    return
  }
  if (ended.status !== 0) console.log(ended.console.trimEnd().replace(/^/gm, '    '))
  const counts = /^\d+ passed, \d+ failed, \d+ skipped$/m.exec(ended.output)?.[0]
  console.log(`\nLinux ${kernel.release} in QEMU, on for ${seconds} s`)
  if (counts === undefined) failed(`the tests ended with exit status ${ended.status}, and gave no counts`)
  else {
    console.log(counts)
    process.exitCode = ended.status
  }
}

/** Compiled test files, as paths below dist/. */
function testsIn(folder: string, matters: (name: string) => boolean = () => true): string[] {
  return readdirSync(join(dist, 'test', folder))
    .filter((file) => file.endsWith('.test.js'))
    .map((file) => file.slice(0, -'.test.js'.length))
    .filter((name) => matters(name) && words.every((word) => `${folder}/${name}`.includes(word)))
    .map((name) => join('test', folder, `${name}.test.js`))
}

/** Says why there is no result; that counts as one that failed, besides what has been run before. */
function failed(why: string, before: Counts = { passed: 0, failed: 0, skipped: 0 }): void {
  console.log(`${why}\n${before.passed} passed, ${before.failed + 1} failed, ${before.skipped} skipped`)
  process.exitCode ??= 1
}
