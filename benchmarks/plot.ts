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

/** Where the bars of the logarithmic axis begin, in ms. */
const BASE_MS = 0.1

/** Bars of the time for one plug, one by one and in bulk of 100 (or the nearest that there is), as SVG. */
export async function renderPlot(results: readonly Result[]): Promise<string> {
  const names = COLOURS.map(([name]) => name)
  const bulk = results.some((result) => result.ports === 100) ? 100 : 10
  const values = results
    .filter((result) => result.operation === 'plug' && (result.ports === 'one' || result.ports === bulk))
    .filter((result) => names.includes(result.contestant))
    .map(({ kind, contestant, ports, ms }) => ({
      panel: `${kind}, ${ports === 'one' ? 'one by one' : `${ports} in bulk`}`,
      contestant,
      ms: ms.median,
      label: `${Number(ms.median.toPrecision(3))} ms`,
    }))
  const spec: TopLevelSpec = {
    $schema: 'https://vega.github.io/schema/vega-lite/v6.json',
    background: 'white',
    title: { text: 'Time to plug one port (median, logarithmic)', anchor: 'start' },
    data: { values },
    facet: {
      row: {
        field: 'panel',
        type: 'nominal',
        sort: null,
        title: null,
        header: { labelAngle: 0, labelAlign: 'left' },
      },
    },
    spec: {
      width: 480,
      height: { step: 22 },
      encoding: { y: { field: 'contestant', type: 'nominal', sort: names, title: null } },
      layer: [
        {
          mark: { type: 'bar' },
          encoding: {
            x: {
              field: 'ms',
              type: 'quantitative',
              scale: { type: 'log', domainMin: BASE_MS },
              axis: { title: 'ms', values: [0.1, 1, 10, 100, 1000], grid: true },
            },
            x2: { datum: BASE_MS },
            color: {
              field: 'contestant',
              type: 'nominal',
              scale: { domain: names, range: COLOURS.map(([, colour]) => colour) },
              legend: null,
            },
          },
        },
        {
          mark: { type: 'text', align: 'left', dx: 4 },
          encoding: { x: { field: 'ms', type: 'quantitative' }, text: { field: 'label' } },
        },
      ],
    },
    resolve: { scale: { y: 'independent' } },
  }
  const view = new vega.View(vega.parse(compile(spec).spec), { renderer: 'none' })
  try {
    return await view.toSVG()
  } finally {
    view.finalize()
  }
}
