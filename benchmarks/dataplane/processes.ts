import { readdirSync, readFileSync } from 'node:fs'

/** The processor time, user's and system's, that processes have had so far, in ns (Documentation/scheduler/sched-stats.rst). */
export function processorTime(pids: readonly number[]): number {
  return sum(
    pids.flatMap((pid) =>
      readdirSync(`/proc/${pid}/task`).map((thread) => `/proc/${pid}/task/${thread}/schedstat`),
    ),
    (file) => Number(readFileSync(file, 'utf8').split(' ')[0]),
  )
}

/** Memory of processes in bytes, shared pages divided by those who share them (PSS of proc(5)). */
export function memory(pids: readonly number[]): number {
  return sum(pids, (pid) => {
    const [, kilobytes] = /^Pss:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8')) ?? []
    if (kilobytes === undefined) throw new Error(`the kernel does not tell the memory of process ${pid}`)
    return Number(kilobytes) * 1024
  })
}

function sum<T>(items: readonly T[], value: (item: T) => number): number {
  return items.reduce((total, item) => total + value(item), 0)
}
