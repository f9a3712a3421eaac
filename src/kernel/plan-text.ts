import type { Plan } from './plan.js'

/**
 * Plans as the addon reads them (native/plan/plan_text.h): a step is a line, its fields are `key=value` with
 * a tab before each, and an empty line ends a plan. One string crosses into C++ ten times as fast as the
 * objects that it stands for.
 */
export function planText(plans: readonly Plan[]): string {
  let text = ''
  for (const plan of plans) {
    for (const step of plan.steps) text += `${step.op}${fields('', step)}\n`
    text += '\n'
  }
  return text
}

function fields(prefix: string, values: object): string {
  let text = ''
  for (const key in values) {
    const value: unknown = values[key as keyof typeof values]
    if (value === undefined || key === 'op') continue
    if (Array.isArray(value)) text += `\t${prefix}${key}=${value.map(escaped).join(',')}`
    else if (typeof value === 'object' && value !== null) text += fields(`${key}.`, value)
    else text += `\t${prefix}${key}=${typeof value === 'string' ? escaped(value) : value}`
  }
  return text
}

/** A path may hold any byte but NUL, which no text that the kernel reads can hold; the addon refuses it. */
function escaped(value: string): string {
  if (!/[\\\t\n]/.test(value)) return value
  return value.replaceAll('\\', '\\\\').replaceAll('\t', '\\t').replaceAll('\n', '\\n')
}
