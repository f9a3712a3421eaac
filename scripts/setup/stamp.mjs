import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { ROOT } from './step.mjs'

/** The files below `directory` (relative to the checkout) whose path `wanted` accepts, sorted. */
export function filesBelow(directory, wanted = () => true) {
  let entries
  try {
    entries = readdirSync(join(ROOT, directory), { withFileTypes: true })
  } catch {
    return []
  }
  return entries
    .flatMap((entry) => {
      const path = join(directory, entry.name)
      if (entry.isDirectory()) return filesBelow(path, wanted)
      return entry.isFile() && wanted(path) ? [path] : []
    })
    .sort()
}

/** One hash over the names and contents of files and over what else the product depends on. */
export function hashOf(files, ...also) {
  const hash = createHash('sha256').update(JSON.stringify(also))
  for (const file of files) {
    const content = readFileSync(join(ROOT, file))
    hash.update(`\0${file}\0${content.length}\0`).update(content)
  }
  return hash.digest('hex')
}

/** What was made of which inputs is remembered as a hash of these inputs, because times of files lie after a clone. */
export function isStamped(name, hash) {
  try {
    return readFileSync(stampPath(name), 'utf8') === hash
  } catch {
    return false
  }
}

export function stamp(name, hash) {
  mkdirSync(dirname(stampPath(name)), { recursive: true })
  writeFileSync(stampPath(name), hash)
}

function stampPath(name) {
  return join(ROOT, '.setup', name)
}
