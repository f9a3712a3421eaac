import * as vega from 'vega'
import { compile, type TopLevelSpec } from 'vega-lite'
import type { Result } from './measurements.js'
import type { ContestantName } from './peers/contestant.js'

const COLOURS: [ContestantName, string][] = [
  ['C floor', '#9aa0a6'],
  ['ecdock-fast', '#1a73e8'],
  ['ip', '#f29900'],
  ['ip + ovs-vsctl', '#f29900'],
  ['ovs-docker', '#c5221f'],
]

type Panel = Extract<TopLevelSpec, { vconcat: unknown }>['vconcat'][number]

/** Where the bars of the logarithmic axis begin, in ms. */
const BASE_MS = 0.1

/** Bars of the time for one plug, one by one and in bulk of 100 (or 10, in a quick run), as SVG. */
export async function renderPlot(results: readonly Result[]): Promise<string> {
  const names = COLOURS.map(([name]) => name)
  const bulk = results.some((result) => result.ports === 100) ? 100 : 10
  const shown = results.filter(
    ({ operation, ports, contestant }) =>
      operation === 'plug' && (ports === 'one' || ports === bulk) && names.includes(contestant),
  )
  const longest = Math.max(...shown.map((result) => result.ms.median))
  const panels = [...new Set(shown.map(title))]
  const spec: TopLevelSpec = {
    $schema: 'https://vega.github.io/schema/vega-lite/v6.json',
    background: 'white',
    title: { text: 'Time to plug one port: median, logarithmic', anchor: 'start', offset: 16 },
    vconcat: panels.map((panel) =>
      bars(
        panel,
        shown.filter((result) => title(result) === panel),
        longest,
      ),
    ),
  }
  const view = new vega.View(vega.parse(compile(spec).spec), { renderer: 'none' })
  try {
    return await view.toSVG()
  } finally {
    view.finalize()
  }
}

function title({ kind, ports }: Result): string {
  return `${kind}, ${ports === 'one' ? 'one by one' : `${ports} in bulk`}`
}

function bars(panel: string, results: readonly Result[], longest: number): Panel {
  const names = COLOURS.map(([name]) => name)
  const values = results.map(({ contestant, ms }) => ({
    contestant,
    ms: ms.median,
    label: `${Number(ms.median.toPrecision(3))} ms`,
  }))
  const colours = { domain: names, range: COLOURS.map(([, colour]) => colour) }
  return {
    title: { text: panel, anchor: 'start', fontSize: 11, fontWeight: 'normal' },
    data: { values },
    width: 480,
    height: { step: 20 },
    encoding: { y: { field: 'contestant', type: 'nominal', sort: names, title: null } },
    layer: [
      {
        mark: { type: 'bar' },
        encoding: {
          x: {
            field: 'ms',
            type: 'quantitative',
            scale: { type: 'log', domain: [BASE_MS, longest * 2], nice: false },
            axis: { title: null, values: [0.1, 1, 10, 100, 1000], format: '~g' },
          },
          x2: { datum: BASE_MS },
          color: { field: 'contestant', type: 'nominal', scale: colours, legend: null },
        },
      },
      {
        mark: { type: 'text', align: 'left', dx: 4 },
        encoding: { x: { field: 'ms', type: 'quantitative' }, text: { field: 'label' } },
      },
    ],
  }
}
