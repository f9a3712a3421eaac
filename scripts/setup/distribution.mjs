import { readFileSync } from 'node:fs'

/** Names of this machine's distribution and of those that it is made from, nearest first (os-release(5)). */
export function distributions() {
  const { ID = '', ID_LIKE = '' } = osRelease()
  return [ID, ...ID_LIKE.split(' ')]
}

function osRelease() {
  try {
    const lines = readFileSync('/etc/os-release', 'utf8').matchAll(/^([A-Z_]+)="?([^"\n]*)"?$/gm)
    return Object.fromEntries([...lines].map((match) => [match[1], match[2]]))
  } catch {
    return {}
  }
}
