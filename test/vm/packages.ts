import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/** An entry of package-lock.json (docs.npmjs.com, package-lock.json: `packages`). */
interface Locked {
  dependencies?: Record<string, string>
}

/**
 * Directories of the npm packages that the project needs when it runs, and of those that `also` names, each with what
 * they need themselves; relative to the checkout.
 */
export function neededPackages(root: string, also: readonly string[]): string[] {
  const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, Locked>
  }
  const found = new Set<string>()
  const need = (names: Iterable<string>, from: string) => {
    for (const name of names) {
      const path = nearest(lock.packages, name, from)
      if (found.has(path)) continue
      found.add(path)
      need(Object.keys(lock.packages[path]?.dependencies ?? {}), path)
    }
  }
  need([...Object.keys(lock.packages['']?.dependencies ?? {}), ...also], '')
  return [...found]
}

/** Node looks for a package beside the one that needs it, then in the directories above. */
function nearest(packages: Record<string, Locked>, name: string, from: string): string {
  for (let above = from; ; above = above.slice(0, Math.max(0, above.lastIndexOf('/node_modules/')))) {
    const path = `${above === '' ? '' : `${above}/`}node_modules/${name}`
    if (path in packages) return path
    if (above === '') throw new Error(`package-lock.json has no ${name}`)
  }
}
