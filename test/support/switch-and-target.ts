import { loadKernel } from '../../src/kernel/native.js'
import { type NamedNamespace, namedNamespace } from './netns.js'
import { leavingNothing } from './world.js'

/** The namespaces that {@link inTwoNamespaces} makes. */
export const SWITCH = '/run/netns/switch'
export const TARGET = '/run/netns/target'

/** Runs `body` with two namespaces that are there only so long, and leaves nothing else either. */
export async function inTwoNamespaces(
  body: (first: NamedNamespace, second: NamedNamespace) => Promise<void>,
): Promise<void> {
  await leavingNothing(async () => {
    const first = await namedNamespace('switch')
    const second = await namedNamespace('target')
    try {
      await body(first, second)
    } finally {
      await Promise.all([first.remove(), second.remove()])
    }
  })
}

/** The names of the links in a namespace, sorted. */
export async function linkNames(netns: string): Promise<string[]> {
  return (await loadKernel().links(netns)).map(({ name }) => name).sort()
}
