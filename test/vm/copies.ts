import { lstatSync, readdirSync, readlinkSync, realpathSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { runToEnd } from '../support/process.js'
import type { CpioArchive } from './cpio.js'

/** Copies files of this machine into an archive, at the same paths unless another one is given. */
export class Copies {
  readonly #archive: CpioArchive

  constructor(archive: CpioArchive) {
    this.#archive = archive
  }

  /** A file, or a symbolic link and what it leads to. Links on the way there come along, such as /bin to usr/bin. */
  path(path: string): void {
    const above = dirname(path)
    const real = realpathSync(above)
    if (real !== above) this.#linksAbove(above)
    const here = join(real, basename(path))
    if (this.#archive.has(here)) return
    const about = lstatSync(here)
    if (about.isSymbolicLink()) {
      const target = readlinkSync(here)
      this.#archive.link(here, target)
      this.path(resolve(real, target))
    } else if (about.isFile()) {
      this.#archive.file(here, here, about.size, about.mode & 0o777)
    } else {
      this.#archive.directory(here)
    }
  }

  /** A file as `to`; a symbolic link is followed. */
  file(from: string, to: string): void {
    const real = realpathSync(from)
    const { size, mode } = lstatSync(real)
    this.#archive.file(to, real, size, mode & 0o777)
  }

  /** The files below `from`, as below `to`, as far as `wanted` accepts their paths relative to it. */
  directory(from: string, to: string, wanted: (path: string) => boolean = () => true): void {
    for (const path of readdirSync(from, { recursive: true, encoding: 'utf8' })) {
      if (wanted(path) && lstatSync(join(from, path)).isFile()) this.file(join(from, path), join(to, path))
    }
  }

  /** The shared libraries of these programs. Throws when one of them is missing on this machine. */
  async libraries(programs: readonly string[]): Promise<string[]> {
    // It ends with status 1 when one of them needs none.
    const { stdout } = await runToEnd(
      'ldd',
      programs.map((program) => realpathSync(program)),
    )
    const missing = /^\t(\S+) => not found/m.exec(stdout)
    if (missing !== null) throw new Error(`the library ${missing[1]} is not installed`)
    const libraries = [...stdout.matchAll(/^\t(?:\S+ => )?(\/\S+) \(0x/gm)].flatMap(([, path]) => path ?? [])
    for (const library of libraries) this.path(library)
    return libraries
  }

  #linksAbove(directory: string): void {
    if (directory === '/') return
    this.path(directory)
  }
}
