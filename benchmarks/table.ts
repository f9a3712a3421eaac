import Table from 'cli-table3'
import type { VswitchKind } from '../src/vswitch/vswitch.js'
import type { DataPlaneFigure } from './dataplane/figures.js'
import type { Operation, Result } from './measurements.js'
import type { Ratio, Target } from './ratios.js'
import type { Report } from './report.js'
import type { Figure } from './scale/figures.js'
import type { CallTime } from './scenarios/docker.js'

const NOTES = `How to read this. ecdock-fast runs as a library, in a process that is there already. The C floor sends the same
netlink messages (on ovs also the bare OVSDB transaction) and does nothing else; in bulk its links are in one
group from the start, so that one message deletes them, and the floor that regroups puts them there first, as
ecdock-fast does. ip, ovs-vsctl and ovs-docker are programs that are started for each step, and that is part
of their time; the one bash that starts them runs all the time and is not. ovs-docker's call of docker inspect is
answered by a script of two lines, and it sets no IPv6 address: both favour it. Targets are bare network
namespaces; ovs is the userspace datapath. All take turns in one run, so compare within a run only.
On ovs the rows of a slot outlive what is plugged in: ecdock-fast's unplug does not delete them, and each of its slots
is new. At scale: what ovs-docker takes from nothing is interpolated between a few fills, and it answers no ping; a call
of ovs-ofctl stands for all; ip and ovs-vsctl do not wait for traffic; ovs-vsctl takes all out in one
transaction, and nobody counts how its interfaces are deleted. Slots are reserved on a vswitch with neighSuppress. Churn and the steady re-plug are of slots with
standing ports, whose price is that of reserving them.`

/** The report for people. */
export function renderReport(report: Report): string {
  const { machine } = report
  const parts = [
    `${report.date.slice(0, 10)} · Linux ${machine.kernel} · ${machine.cpus} × ${machine.cpuModel} · node ${machine.node}` +
      (machine.ovs === undefined ? '' : ` · ${machine.ovs}`),
  ]
  if (report.quick) parts.push('A quick run: it shows that everything works, and its figures say little.')
  for (const kind of ['bridge', 'ovs', 'vde'] as const) {
    for (const operation of ['plug', 'unplug'] as const)
      parts.push(...renderTimes(report.results, kind, operation))
  }
  parts.push(
    ...renderScale(report.scale),
    ...renderDataPlanes(report.dataPlanes),
    ...renderCalls(report.calls),
    renderRatios(report.ratios),
  )
  if (report.wholeProcess !== undefined) {
    const { cli, ip, samples } = report.wholeProcess
    parts.push(
      `For information, from a shell: \`ecdock-fast plug\` as a whole process takes ${threeDigits(cli)} ms, most of it the ` +
        `start of node; the ip script takes ${threeDigits(ip)} ms (medians of ${samples}).`,
    )
  }
  return `${[...parts, NOTES].join('\n\n')}\n`
}

function renderTimes(all: readonly Result[], kind: VswitchKind, operation: Operation): string[] {
  const results = all.filter((result) => result.kind === kind && result.operation === operation)
  if (results.length === 0) return []
  const contestants = [...new Set(results.map((result) => result.contestant))]
  const sizes = [...new Set(results.map((result) => result.ports))]
  const table = plainTable([`${kind}: ${operation}`, ...contestants], contestants.length + 1)
  for (const ports of sizes) {
    const cells = contestants.map((contestant) => {
      const found = results.find((result) => result.contestant === contestant && result.ports === ports)
      return found === undefined
        ? ''
        : `${threeDigits(found.ms.median)} (${threeDigits(found.ms.p99)}) ×${found.ms.samples}`
    })
    table.push([ports === 'one' ? 'one by one' : `${ports} in bulk`, ...cells])
  }
  return [`${table.toString()}\nms for each port: median (p99) ×samples`]
}

function renderScale(figures: readonly Figure[]): string[] {
  if (figures.length === 0) return []
  const table = plainTable(['ovs at scale', 'whose', 'ms', 'each or whole', 'target', ''], 3)
  for (const { meaning, contestant, each, ms: time, target, met } of figures) {
    table.push([
      meaning,
      contestant,
      `${threeDigits(time.median)} (${threeDigits(time.min)}) ×${time.samples}`,
      each ? 'each' : 'whole',
      renderTarget(target),
      verdict(met),
    ])
  }
  return [`${table.toString()}\nms: median (least) ×samples`]
}

function renderDataPlanes(figures: readonly DataPlaneFigure[]): string[] {
  if (figures.length === 0) return []
  const contestants = [...new Set(figures.map(({ contestant }) => contestant))]
  const table = plainTable(['vde: data plane', 'unit', ...contestants], contestants.length + 2)
  for (const [task, { meaning, unit }] of new Map(figures.map((figure) => [figure.task, figure]))) {
    const cells = contestants.map((contestant) => {
      const found = figures.find((figure) => figure.task === task && figure.contestant === contestant)
      return found === undefined ? '' : `${threeDigits(found.value.median)} ×${found.value.samples}`
    })
    table.push([meaning, unit, ...cells])
  }
  return [`${table.toString()}\nmedian ×samples`]
}

function renderCalls(calls: readonly CallTime[]): string[] {
  if (calls.length === 0) return []
  const table = plainTable(['call of a Docker driver', 'ms', 'target', ''], 2)
  for (const { method, ms: time, target, met } of calls) {
    const times = `${threeDigits(time.median)} (${threeDigits(time.p99)}) ×${time.samples}`
    table.push([method, times, renderTarget(target), verdict(met)])
  }
  return [`${table.toString()}\nms: median (p99) ×samples, over the plugin's socket`]
}

function renderRatios(ratios: readonly Ratio[]): string {
  const table = plainTable(['ratio of medians', 'value', 'target', ''], 2)
  for (const { meaning, value, target, met } of ratios) {
    table.push([meaning, value.toFixed(2), renderTarget(target), verdict(met)])
  }
  return table.toString()
}

function verdict(met: boolean | undefined): string {
  if (met === undefined) return ''
  return met ? 'met' : 'missed'
}

function renderTarget(target: Target | undefined): string {
  if (target === undefined) return ''
  return 'atMost' in target ? `at most ${target.atMost}` : `at least ${target.atLeast}`
}

/** Three digits that matter. */
function threeDigits(value: number): string {
  if (value >= 100) return value.toFixed(0)
  return value >= 10 ? value.toFixed(1) : value.toFixed(2)
}

/** Without lines and colours, so that it can be pasted; the first column is text, the others are figures. */
function plainTable(head: string[], columns: number): Table.Table {
  const rule = { mid: '', 'left-mid': '', 'mid-mid': '', 'right-mid': '' }
  const frame = { top: '', 'top-mid': '', 'top-left': '', 'top-right': '', left: '', right: '' }
  const bottom = { bottom: '', 'bottom-mid': '', 'bottom-left': '', 'bottom-right': '' }
  return new Table({
    head,
    colAligns: ['left', ...Array.from({ length: columns - 1 }, () => 'right' as const)],
    chars: { ...rule, ...frame, ...bottom, middle: '  ' },
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0 },
  })
}
