import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { APT_ENVIRONMENT } from './apt.mjs'
import { distributions } from './distribution.mjs'
import { ROOT, run, SetupError, step } from './step.mjs'

/** Where the kernel is that virtual machines boot in tests; test/vm/stock-kernel.ts looks for it there. */
const KERNEL = join(ROOT, '.setup', 'vm', 'kernel')

/**
 * Packages that stand for the current kernel of a distribution. Debian's is made for virtual machines, as is Ubuntu's,
 * whose modules are in a package beside it.
 */
const STAND_FOR_KERNEL = { debian: 'linux-image-cloud-amd64', ubuntu: 'linux-image-virtual' }

/**
 * Downloads the distribution's own kernel and unpacks it into the checkout. It is not installed: this machine goes on
 * with the one that it has.
 */
export function unpackStockKernel() {
  if (existsSync(KERNEL)) return
  const standIn = standInForKernel()
  if (standIn === undefined) {
    throw new SetupError(
      3,
      'The kernel for virtual machines in tests is Debian’s or Ubuntu’s for x86-64, taken from apt.',
    )
  }
  step(`kernel for the virtual machine, from ${standIn}`, () => {
    try {
      download(kernelPackages(standIn))
    } catch (error) {
      if (process.getuid() !== 0) throw error
      // The archive may have a newer one by now than apt's list of it says, and no longer the one that it says.
      run('apt-get', ['update'], { env: APT_ENVIRONMENT })
      download(kernelPackages(standIn))
    }
  })
}

/** Whether this machine's distribution has a kernel that can be had so. */
export function hasStockKernel() {
  return standInForKernel() !== undefined
}

function standInForKernel() {
  if (process.arch !== 'x64') return undefined
  return distributions()
    .map((name) => STAND_FOR_KERNEL[name])
    .find(Boolean)
}

/** The packages with the kernel's image and its modules, such as linux-image-6.1.0-18-cloud-amd64. */
function kernelPackages(standIn) {
  const needed = dependencies(standIn).filter((name) => /^linux-(image|modules)-\d/.test(name))
  if (needed.length === 0) {
    throw new SetupError(
      3,
      `apt does not know the package ${standIn}.`,
      'Run "sudo apt-get update", then the same command again.',
    )
  }
  const modules = needed.flatMap(dependencies).filter((name) => /^linux-modules-\d/.test(name))
  return [...new Set([...needed, ...modules])]
}

function dependencies(name) {
  try {
    const told = run('apt-cache', ['depends', '--no-recommends', '--no-suggests', name], {
      env: APT_ENVIRONMENT,
    })
    return [...told.matchAll(/^ *(?:Pre)?Depends: ([^<\s]+)$/gm)].map((match) => match[1])
  } catch {
    return []
  }
}

function download(packages) {
  const partly = `${KERNEL}.new`
  rmSync(partly, { recursive: true, force: true })
  mkdirSync(partly, { recursive: true })
  run('apt-get', ['download', ...packages], {
    cwd: partly,
    env: APT_ENVIRONMENT,
    next: 'Is the apt archive within reach, and its list new ("sudo apt-get update")? Then run the same command again.',
  })
  const archives = readdirSync(partly).filter((name) => name.endsWith('.deb'))
  for (const archive of archives) {
    run('dpkg-deb', ['--extract', join(partly, archive), partly])
    rmSync(join(partly, archive))
  }
  const lib = ['lib', 'usr/lib'].map((name) => join(partly, name, 'modules')).find(existsSync)
  const release = lib === undefined ? undefined : readdirSync(lib)[0]
  if (release === undefined) throw new SetupError(1, `There are no modules in ${packages.join(', ')}.`)
  // modprobe looks for lib/modules below the base directory that it is given.
  if (!existsSync(join(partly, 'lib'))) renameSync(join(partly, 'usr', 'lib'), join(partly, 'lib'))
  run('/sbin/depmod', ['--basedir', partly, release])
  renameSync(partly, KERNEL)
}
