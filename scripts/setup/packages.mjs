import { existsSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { ROOT, run, step } from './step.mjs'

/** Brings node_modules to what package-lock.json says. */
export function installPackages() {
  if (installedAsLocked()) return
  const npm = npmCommand()
  step('npm packages', () =>
    // The addon is built in a step of its own, and no dependency needs its install script.
    run(npm.command, [...npm.args, 'ci', '--ignore-scripts', '--include=dev', '--no-audit', '--no-fund'], {
      next: 'Is the npm registry within reach? Then run the same command again.',
    }),
  )
}

/** npm keeps beside the packages a list of those that it installed; optional ones of other platforms are not in it. */
function installedAsLocked() {
  const listed = join(ROOT, 'node_modules', '.package-lock.json')
  if (!existsSync(listed)) return false
  const locked = packagesIn(join(ROOT, 'package-lock.json'))
  const installed = packagesIn(listed)
  return (
    Object.entries(locked).every(
      ([path, entry]) =>
        path === '' ||
        (path in installed ? installed[path].version === entry.version : entry.optional === true),
    ) && Object.keys(installed).every((path) => path in locked)
  )
}

function packagesIn(path) {
  return JSON.parse(readFileSync(path, 'utf8')).packages
}

/** The npm that runs this script, else the one on PATH. */
export function npmCommand() {
  const running = process.env.npm_execpath
  return running !== undefined && basename(running) === 'npm-cli.js'
    ? { command: process.execPath, args: [running] }
    : { command: 'npm', args: [] }
}
