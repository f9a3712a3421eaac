import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Report } from '../../benchmarks/report.js'
import { needs } from '../support/requirements.js'

const RUN = fileURLToPath(new URL('../../benchmarks/run.js', import.meta.url))
const directory = mkdtempSync(join(tmpdir(), 'ecdock-bench-test-'))

function bench(...args: string[]) {
  return spawnSync(process.execPath, [RUN, ...args], {
    encoding: 'utf8',
    env: { ...process.env, TMPDIR: directory },
  })
}

const withPeers = needs('root', 'iproute2', 'openvswitch', 'vde') ? test : test.skip

withPeers(
  'a quick run measures everybody on each kind, at scale and on data planes, and leaves nothing behind',
  () => {
    const json = join(directory, 'report.json')
    const plot = join(directory, 'plot.svg')
    const { status, stdout, stderr } = bench('--quick', '--json', json, '--plot', plot)
    assert.is(status, 0, stderr)
    assert.match(stdout, /bridge, one plug: time of ecdock-fast \/ time of C floor +\d/)
    assert.match(stdout, /ovs, one plug: time of ovs-docker \/ time of ecdock-fast +\d/)

    const report: Report = JSON.parse(readFileSync(json, 'utf8'))
    const measured = new Set(report.results.map(({ kind, contestant }) => `${kind} ${contestant}`))
    assert.equal([...measured].sort(), [
      'bridge C floor',
      'bridge C floor, default queues',
      'bridge C floor, regrouping',
      'bridge ecdock-fast',
      'bridge ip',
      'ovs C floor',
      'ovs ecdock-fast',
      'ovs ip + ovs-vsctl',
      'ovs ovs-docker',
      'vde C floor',
      'vde docker-vde-plugin',
      'vde docker-vde-plugin, moved',
      'vde ecdock-fast',
    ])
    for (const { ms } of report.results) assert.ok(0 < ms.min && ms.min <= ms.median && ms.median <= ms.p99)
    assert.equal(report.scale.map(({ task, contestant }) => `${task}: ${contestant}`).sort(), [
      'churn: ecdock-fast',
      'churn: ovs-docker',
      'delete-vswitch-standing: ecdock-fast',
      'delete-vswitch: ecdock-fast',
      'first-replug: ecdock-fast',
      'flows: ecdock-fast',
      'flows: ovs-ofctl',
      'from-nothing-suppressing: ecdock-fast',
      'from-nothing: ecdock-fast',
      'from-nothing: ovs-docker',
      'plug-reserved: ecdock-fast',
      'replug: ecdock-fast',
      'replug: ip + ovs-vsctl',
      'reserve-churn: ecdock-fast',
      'reserve: ecdock-fast',
      'take-out-standing: ecdock-fast',
      'take-out: ecdock-fast',
      'take-out: ovs-vsctl',
    ])
    for (const { ms } of report.scale) assert.ok(0 < ms.min && ms.min <= ms.median)
    assert.equal(report.dataPlanes.map(({ task, contestant }) => `${task}: ${contestant}`).sort(), [
      'arrived: ecdock-switch',
      'arrived: vde_switch',
      'clients: ecdock-switch',
      'clients: vde_switch',
      'echo: ecdock-switch',
      'echo: vde_switch',
      'interval: ecdock-switch',
      'interval: vde_switch',
      'memory: ecdock-switch',
      'memory: vde_switch',
      'processor: ecdock-switch',
      'processor: vde_switch',
      'tcp: ecdock-switch',
      'tcp: ecdock-switch --no-offload',
      'tcp: vde_switch',
    ])
    for (const { value } of report.dataPlanes) assert.ok(0 < value.min && value.min <= value.median)
    assert.match(readFileSync(plot, 'utf8'), /^<svg /)

    assert.equal(readdirSync(directory).sort(), ['plot.svg', 'report.json'])
  },
)

test('a command line that is wrong is refused at once', () => {
  const { status, stderr } = bench('--only', 'switch')
  assert.is(status, 2)
  assert.match(stderr, /--only wants bridge, ovs, ovs-scale, vde, docker, not "switch"/)
})

test.after(() => rmSync(directory, { recursive: true, force: true }))

test.run()
