import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { npmCommand } from './packages.mjs'
import { filesBelow, hashOf, isStamped, stamp } from './stamp.mjs'
import { ROOT, run, SetupError, step } from './step.mjs'

const ADDON = join(ROOT, 'build', 'Release', 'ecdock_fast.node')
const SWITCH = join(ROOT, 'build', 'Release', 'ecdock-switch')

/** Builds the native addon and the switch when its sources, its headers or Node's ABI have changed since the last time. */
export function buildAddon() {
  if (!existsSync(join(ROOT, 'binding.gyp'))) return
  const sources = filesBelow('native', (path) => !path.startsWith(join('native', 'test')))
  const hash = hashOf(
    ['binding.gyp', 'node_modules/node-addon-api/package.json', ...sources],
    process.arch,
    process.versions.modules,
  )
  if (existsSync(ADDON) && existsSync(SWITCH) && isStamped('addon', hash)) return
  step('native addon and switch', () => {
    run(process.execPath, [nodeGyp(), 'configure', 'build', '-j', '2', ...headers()], {
      next: 'Building them needs python3, make and g++ with C++20 (GCC 10 or later).',
    })
    for (const built of [ADDON, SWITCH]) {
      if (!existsSync(built)) throw new SetupError(1, `node-gyp was content, but there is no ${built}.`)
    }
  })
  stamp('addon', hash)
}

/** npm brings a node-gyp along and tells its scripts where it is. */
function nodeGyp() {
  const known = process.env.npm_config_node_gyp
  if (known !== undefined && existsSync(known)) return known
  const npm = npmCommand()
  const told = run(npm.command, [...npm.args, 'config', 'get', 'node-gyp']).trim()
  if (existsSync(told)) return told
  throw new SetupError(
    3,
    'npm has no node-gyp, which builds the native addon.',
    'Install npm from the same source as Node.',
  )
}

/** Headers that came with Node save the download of the same ones; common.gypi must be there for node-gyp. */
function headers() {
  const prefix = dirname(dirname(process.execPath))
  const api = join(prefix, 'include', 'node')
  if (!existsSync(join(api, 'common.gypi')) || !existsSync(join(api, 'node_version.h'))) return []
  const text = readFileSync(join(api, 'node_version.h'), 'utf8')
  const major = /#define NODE_MAJOR_VERSION (\d+)/.exec(text)?.[1]
  return major === process.versions.node.split('.')[0] ? [`--nodedir=${prefix}`] : []
}
