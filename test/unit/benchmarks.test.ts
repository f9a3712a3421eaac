import * as fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { parseArguments } from '../../benchmarks/arguments.js'
import { Measurements } from '../../benchmarks/measurements.js'
import type { ContestantName } from '../../benchmarks/peers/contestant.js'
import { renderPlot } from '../../benchmarks/plot.js'
import { ratios } from '../../benchmarks/ratios.js'
import type { Report } from '../../benchmarks/report.js'
import { type Figure, Figures, scaleRatios } from '../../benchmarks/scale/figures.js'
import { summedOver } from '../../benchmarks/scale/growth.js'
import { median, percentile, summarise } from '../../benchmarks/stats.js'
import { renderReport } from '../../benchmarks/table.js'
import { EcdockError } from '../../src/errors.js'

test('a median is the middle sample, or lies between the two in the middle', () => {
  assert.is(median([5]), 5)
  assert.is(median([9, 1, 5]), 5)
  assert.is(median([4, 1, 3, 2]), 2.5)
})

test('a percentile is interpolated between the two nearest samples', () => {
  const samples = Array.from({ length: 101 }, (_, index) => 100 - index)
  assert.is(percentile(samples, 0.99), 99)
  assert.is(percentile([10, 20], 0.75), 17.5)
  assert.is(percentile([10, 20], 0), 10)
  assert.is(percentile([10, 20], 1), 20)
})

test('percentiles grow with their share and stay between the extremes', () => {
  const share = fc.double({ min: 0, max: 1, noNaN: true })
  const samples = fc.array(fc.integer({ min: -1e6, max: 1e6 }), { minLength: 1 })
  fc.assert(
    fc.property(samples, share, share, (values, a, b) => {
      const low = percentile(values, Math.min(a, b))
      const high = percentile(values, Math.max(a, b))
      assert.ok(Math.min(...values) <= low)
      assert.ok(low <= high)
      assert.ok(high <= Math.max(...values))
    }),
  )
})

test('there is no percentile of nothing, and none outside 0 to 1', () => {
  assert.throws(
    () => percentile([], 0.5),
    (error: unknown) => error instanceof RangeError,
  )
  assert.throws(
    () => percentile([1], 99),
    (error: unknown) => error instanceof RangeError,
  )
})

test('samples are left in their order', () => {
  const samples = [3, 1, 2]
  assert.equal(summarise(samples), { samples: 3, min: 1, median: 2, p99: 2.98 })
  assert.equal(samples, [3, 1, 2])
})

test('without arguments everything is measured', () => {
  assert.equal(parseArguments([]), {
    quick: false,
    scenarios: ['bridge', 'ovs', 'ovs-scale', 'vde', 'docker'],
    help: false,
  })
})

test('--json takes a file or means stdout', () => {
  assert.is(parseArguments(['--json', 'out.json', '--quick']).json, 'out.json')
  assert.is(parseArguments(['--json', '--quick']).json, '-')
  assert.is(parseArguments(['--quick', '--json']).json, '-')
})

test('--only chooses one scenario', () => {
  assert.equal(parseArguments(['--only', 'ovs']).scenarios, ['ovs'])
  assert.equal(parseArguments(['--only', 'ovs-scale']).scenarios, ['ovs-scale'])
})

for (const argv of [
  ['--only', 'switch'],
  ['--only'],
  ['--plot'],
  ['--plot', '--quick'],
  ['fast'],
  ['--fast'],
]) {
  test(`${argv.join(' ')} is refused`, () => {
    assert.throws(
      () => parseArguments(argv),
      (error: unknown) => error instanceof EcdockError && error.code === 'USAGE',
    )
  })
}

/** A run in which every plug and unplug on a bridge took the same time. */
function bridgeRun(ms: Partial<Record<ContestantName, number>>): Measurements {
  const measurements = new Measurements()
  for (const [contestant, each] of Object.entries(ms) as [ContestantName, number][]) {
    for (const operation of ['plug', 'unplug'] as const) {
      measurements.add({ kind: 'bridge', contestant, operation, ports: 'one' }, each)
      measurements.add({ kind: 'bridge', contestant, operation, ports: 400 }, each * 400)
    }
  }
  return measurements
}

function reportOf(measurements: Measurements): Report {
  const results = measurements.results()
  return {
    date: '2026-01-31T12:00:00.000Z',
    machine: { kernel: '6.1.0', cpus: 2, cpuModel: 'a processor', node: 'v20.17.0' },
    quick: false,
    results,
    scale: [],
    dataPlanes: [],
    calls: [],
    ratios: ratios(results),
  }
}

test('what is done in bulk is counted for each port', () => {
  const results = bridgeRun({ 'ecdock-fast': 1.5 }).results()
  assert.equal(
    results.map((result) => result.ms.median),
    [1.5, 1.5, 1.5, 1.5],
  )
})

test('a ratio meets its target or misses it', () => {
  const near = ratios(bridgeRun({ 'ecdock-fast': 1.25, 'C floor': 1 }).results())
  const far = ratios(bridgeRun({ 'ecdock-fast': 1.26, 'C floor': 1 }).results())
  const plug = (list: typeof near) => list.find((ratio) => ratio.id === 'bridge-plug-one-over-c-floor')
  assert.equal(plug(near)?.target, { atMost: 1.25 })
  assert.is(plug(near)?.met, true)
  assert.is(plug(far)?.met, false)
})

test('a ratio against a peer says how many times faster we are', () => {
  const all = ratios(bridgeRun({ 'ecdock-fast': 2, ip: 50 }).results())
  assert.is(all.find((ratio) => ratio.id === 'bridge-plug-one-faster-than-ip')?.value, 25)
})

test('what was not measured gives no ratio', () => {
  assert.equal(ratios(bridgeRun({ 'C floor': 1 }).results()), [])
})

test('ids of ratios are unique', () => {
  const ids = reportOf(
    bridgeRun({ 'ecdock-fast': 1, 'C floor': 1, 'C floor, regrouping': 1, ip: 1 }),
  ).ratios.map(({ id }) => id)
  assert.is(new Set(ids).size, ids.length)
})

test('the table shows medians, ratios and targets, and no more than was measured', () => {
  const text = renderReport(reportOf(bridgeRun({ 'ecdock-fast': 1.3, 'C floor': 1 })))
  assert.match(text, /Linux 6\.1\.0 · 2 × a processor · node v20\.17\.0/)
  assert.match(text, /one by one +1\.30 \(1\.30\) ×1 +1\.00 \(1\.00\) ×1/)
  assert.match(text, /bridge, one plug: time of ecdock-fast \/ time of C floor +1\.30 +at most 1\.25 +missed/)
  assert.not.match(text, /ovs: plug/)
})

test('what lies between two fills is interpolated', () => {
  const samples = [
    { ports: 0, ms: 100 },
    { ports: 2, ms: 200 },
    { ports: 4, ms: 600 },
  ]
  assert.is(summedOver(samples, 4), 100 + 150 + 200 + 400)
  assert.is(summedOver(samples, 3), 100 + 150 + 200)
})

test('nothing is made up beyond the samples', () => {
  const samples = [
    { ports: 1, ms: 100 },
    { ports: 3, ms: 200 },
  ]
  for (const count of [1, 4]) {
    assert.throws(
      () => summedOver(samples, count),
      (error: unknown) => error instanceof RangeError,
    )
  }
})

const ONE_EACH = [
  'from-nothing',
  'from-nothing-suppressing',
  'churn',
  'first-replug',
  'replug',
  'flows',
] as const

/** Everybody takes as long over everything at scale. */
function scaleRun(ours: number, peers: number): Figure[] {
  const figures = new Figures()
  for (const task of ONE_EACH) figures.add(task, 'ecdock-fast', ours)
  figures.add('take-out', 'ecdock-fast', ours * 1000, 1000)
  figures.add('take-out-standing', 'ecdock-fast', ours * 1000, 1000)
  figures.add('from-nothing', 'ovs-docker', peers)
  figures.add('churn', 'ovs-docker', peers)
  figures.add('replug', 'ip + ovs-vsctl', peers)
  figures.add('flows', 'ovs-ofctl', peers)
  figures.add('take-out', 'ovs-vsctl', peers * 1000, 1000)
  return figures.all()
}

test('at scale every peer has a ratio, with a target but for what the default takes from nothing', () => {
  const all = scaleRatios(scaleRun(2, 80))
  assert.equal(
    all.map(({ id, value, met }) => [id, value, met]),
    [
      ['ovs-scale-from-nothing-faster-than-ovs-docker', 40, undefined],
      ['ovs-scale-from-nothing-suppressing-faster-than-ovs-docker', 40, false],
      ['ovs-scale-churn-faster-than-ovs-docker', 40, true],
      ['ovs-scale-first-replug-over-ip-ovs-vsctl', 0.025, true],
      ['ovs-scale-replug-over-ip-ovs-vsctl', 0.025, true],
      ['ovs-scale-flows-faster-than-ovs-ofctl', 40, false],
      ['ovs-scale-take-out-faster-than-ovs-vsctl', 40, true],
      ['ovs-scale-take-out-standing-faster-than-ovs-vsctl', 40, true],
    ],
  )
})

test('taking out at scale has a target of its own, in ms', () => {
  const verdicts = (ours: number) =>
    scaleRun(ours, 80).flatMap(({ task, contestant, met }) =>
      met === undefined ? [] : [`${task} ${contestant} ${met}`],
    )
  assert.equal(verdicts(2), ['take-out ecdock-fast true', 'take-out-standing ecdock-fast true'])
  assert.equal(verdicts(2.1), ['take-out ecdock-fast false', 'take-out-standing ecdock-fast false'])
})

test('the table shows what was measured at scale, and whether it is enough', () => {
  const text = renderReport({ ...reportOf(bridgeRun({})), scale: scaleRun(2.5, 80) })
  assert.match(text, /take all out, .* first time +ecdock-fast +2\.50 \(2\.50\) ×1 +each +at most 2 +missed/)
})

test('the plot is an SVG image that names who was measured', async () => {
  const svg = await renderPlot(bridgeRun({ 'ecdock-fast': 1, 'C floor': 1, ip: 40 }).results())
  assert.match(svg, /^<svg /)
  assert.match(svg, />ecdock-fast</)
  assert.match(svg, />40 ms</)
  assert.not.match(svg, />ovs-docker</)
})

test.run()
