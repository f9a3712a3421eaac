import { accessSync, constants } from 'node:fs'
import { join } from 'node:path'

/** Whether an executable of that name is on PATH, or where Debian keeps root's. */
export function onPath(program: string): boolean {
  return isExecutableIn([...(process.env.PATH ?? '').split(':'), '/usr/sbin', '/sbin'], program)
}

export function isExecutableIn(directories: readonly string[], program: string): boolean {
  return directories.some((directory) => {
    try {
      accessSync(join(directory, program), constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}
