import { readdirSync, statSync } from 'node:fs'

/**
 * Paths of all network namespaces that can be reached, one for each: the process's own, those with a name, and those of
 * processes. By inode number, which is what identifies a namespace while it lives.
 */
export function reachableNamespaces(): Map<number, string> {
  const found = new Map<number, string>()
  const add = (path: string, shown = path) => {
    const id = statSync(path, { throwIfNoEntry: false })?.ino
    if (id !== undefined && !found.has(id)) found.set(id, shown)
  }
  add('/proc/self/ns/net', '')
  for (const name of entries('/run/netns')) attempt(() => add(`/run/netns/${name}`))
  for (const name of entries('/proc')) if (/^\d+$/.test(name)) attempt(() => add(`/proc/${name}/ns/net`))
  return found
}

/** Inode number of the namespace at a path, '' being the process's own; undefined when there is none (any more). */
export function namespaceIdAt(path: string): number | undefined {
  try {
    return statSync(path || '/proc/self/ns/net', { throwIfNoEntry: false })?.ino
  } catch {
    return undefined
  }
}

/** A process may end while it is looked at. */
function attempt(look: () => void): void {
  try {
    look()
  } catch {}
}

function entries(directory: string): string[] {
  try {
    return readdirSync(directory)
  } catch {
    return []
  }
}
