import { EcdockError } from '../errors.js'
import { quoted } from '../quoted.js'

/** Docker's own rule for names of containers (moby, daemon/names); an id or the beginning of one passes it too. */
const CONTAINER = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,254}$/
/** What a reference can be made of (distribution/reference), without its finer points: those are Docker's. */
const IMAGE = /^[A-Za-z0-9][A-Za-z0-9_.:/@-]{0,511}$/

/** Names become parts of paths in Docker's API, so that nothing else may get into them. */
export function isContainerName(name: unknown): name is string {
  return typeof name === 'string' && CONTAINER.test(name)
}

/** Throws NAME_INVALID. */
export function checkContainerName(name: string): void {
  if (isContainerName(name)) return
  throw new EcdockError('NAME_INVALID', 'docker', `${quoted(name)} is not the name or id of a container`, {
    hint: 'It has letters, digits, "_", "." and "-", and begins with a letter or a digit.',
  })
}

/** Throws NAME_INVALID. */
export function checkImageName(name: string): void {
  if (typeof name === 'string' && IMAGE.test(name) && !name.includes('..') && !name.includes('//')) return
  throw new EcdockError('NAME_INVALID', 'docker', `${quoted(name)} is not the name of an image`, {
    hint: 'Give a name such as debian, debian:12 or registry.example/team/image:1.2.',
  })
}
