// Does whatever set-up is missing and nothing else: `node scripts/setup.mjs [demo|test|vm|bench]`.
// Plain JavaScript without dependencies, because it runs before anything is installed.

import { buildAddon } from './setup/addon.mjs'
import { installSystemPackages, PROFILES } from './setup/apt.mjs'
import { installPackages } from './setup/packages.mjs'
import { SetupError } from './setup/step.mjs'
import { hasStockKernel, unpackStockKernel } from './setup/stock-kernel.mjs'
import { compileTypeScript } from './setup/typescript.mjs'

/** The oldest Node that cmake-js and the addon are made for; package.json says the same in `engines`. */
const OLDEST_NODE = [20, 17]

function checkNode() {
  const [major, minor] = process.versions.node.split('.').map(Number)
  if (major > OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor >= OLDEST_NODE[1])) return
  throw new SetupError(
    3,
    `Node ${OLDEST_NODE.join('.')} or later is needed, and this is ${process.versions.node} (${process.execPath}).`,
    'Install a newer one (https://nodejs.org/en/download) and run the same command again.',
  )
}

function setUp(profile) {
  checkNode()
  if (process.platform !== 'linux') {
    throw new SetupError(3, `ecdock-fast works on Linux only, and this is ${process.platform}.`)
  }
  if (!(profile in PROFILES)) {
    throw new SetupError(
      2,
      `Unknown profile '${profile}'.`,
      `Usage: node scripts/setup.mjs [${Object.keys(PROFILES).join('|')}]`,
    )
  }
  installSystemPackages(profile)
  // `npm test` boots it for one of its tests, which is skipped where there is none.
  if (profile === 'vm' || (profile === 'test' && hasStockKernel())) unpackStockKernel()
  installPackages()
  buildAddon()
  compileTypeScript()
}

try {
  setUp(process.argv[2] ?? 'demo')
} catch (error) {
  if (!(error instanceof SetupError)) throw error
  process.stderr.write(`setup: ${error.message}\n${error.next === undefined ? '' : `${error.next}\n`}`)
  process.exitCode = error.exitStatus
}
