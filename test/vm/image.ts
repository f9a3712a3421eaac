import { accessSync, constants, existsSync, readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { Copies } from './copies.js'
import { CpioArchive } from './cpio.js'
import { init } from './init.js'
import { neededPackages } from './packages.js'
import { isModuleOfNetworks, type StockKernel } from './stock-kernel.js'

/** What the tests call by name, and what the kernel calls. The rest of a system's programs is busybox. */
const PROGRAMS = [
  ...['bash', 'modprobe', 'nsenter', 'script', 'setpriv', 'setsid', 'sh', 'sysctl', 'unshare', 'uuidgen'],
  ...['ip', 'bridge', 'tc', 'ping', 'ethtool', 'iptables', 'iptables-save', 'socat', 'strace', 'tcpdump'],
  ...['ovs-appctl', 'ovs-dpctl', 'ovs-ofctl', 'ovs-vsctl', 'ovs-vswitchd'],
  ...['ovsdb-client', 'ovsdb-server', 'ovsdb-tool', 'dpipe', 'vde_plug', 'vde_plug2tap', 'vde_switch'],
]

const BUILT = ['build/Release/ecdock_fast.node', 'build/Release/ecdock-switch']

/** How many times longer tests wait in a machine that is emulated. */
const EMULATED_PATIENCE = 5

/** Where the checkout is in the machine. */
const PROJECT = '/ecdock-fast'

export interface ImageOptions {
  /** The checkout, which has node_modules/ and build/. */
  root: string
  /** The compiled TypeScript: src/ and test/ are in it. */
  dist: string
  kernel: StockKernel
  /** Compiled test files, relative to `dist`. */
  tests: readonly string[]
  /** Whether the processor is emulated. */
  emulated: boolean
}

/**
 * Everything that is in the machine: programs of this one as they are, with their libraries, the project as it is
 * built, and the kernel's modules of networks. The machine has it all in its memory.
 */
export async function image(options: ImageOptions): Promise<CpioArchive> {
  const archive = new CpioArchive()
  const copies = new Copies(archive)
  for (const path of ['/bin', '/sbin', '/lib', '/lib64']) copies.path(path)
  for (const path of ['/dev', '/proc', '/root', '/run', '/sys']) archive.directory(path)
  archive.directory('/tmp', 0o1777)
  archive.link('/var/run', '/run')
  archive.text('/etc/passwd', 'root:x:0:0:root:/root:/bin/sh\n')
  archive.text('/etc/group', 'root:x:0:\n')
  archive.text('/etc/hosts', '127.0.0.1 localhost\n::1 localhost\n')

  addProject(copies, options)
  await addPrograms(
    copies,
    BUILT.map((file) => join(options.root, file)),
  )
  const { release, modules } = options.kernel
  copies.directory(modules, `/usr/lib/modules/${release}`, isModuleOfNetworks)
  const places = {
    node: process.execPath,
    busybox: which('busybox'),
    project: PROJECT,
    patience: options.emulated ? EMULATED_PATIENCE : 1,
  }
  archive.text('/init', init(places), 0o755)
  return archive
}

function addProject(copies: Copies, { root, dist, tests }: ImageOptions): void {
  const folders = ['src', 'test/support', 'test/runner']
  for (const folder of folders) copies.directory(join(dist, folder), join(PROJECT, 'dist', folder))
  for (const file of ['test/run.js', ...tests]) copies.file(join(dist, file), join(PROJECT, 'dist', file))
  for (const file of ['package.json', ...BUILT]) copies.file(join(root, file), join(PROJECT, file))
  for (const directory of neededPackages(root, ['uvu'])) {
    copies.directory(join(root, directory), join(PROJECT, directory), (path) =>
      /\.(c?js|mjs|json)$/.test(path),
    )
  }
}

async function addPrograms(copies: Copies, built: readonly string[]): Promise<void> {
  const programs = [process.execPath, ...[...PROGRAMS, 'busybox'].map(which)]
  for (const program of programs) copies.path(program)
  const libraries = await copies.libraries([...programs, ...built])
  // iptables opens the ones by itself, libvdeplug, and with it vde_plug2tap, the others; they need libraries of their own.
  for (const directory of new Set(libraries.map(dirname))) {
    for (const opened of [join(directory, 'xtables'), join(directory, 'vdeplug')]) {
      if (!existsSync(opened)) continue
      copies.directory(opened, opened)
      await copies.libraries(readdirSync(opened).map((file) => join(opened, file)))
    }
  }
  copies.directory('/usr/share/openvswitch', '/usr/share/openvswitch', (path) => path.endsWith('.ovsschema'))
}

/** The path of a program of this machine; the system's own comes before another one on PATH. */
function which(program: string): string {
  const system = ['/usr/sbin', '/usr/bin', '/sbin', '/bin']
  for (const directory of [...system, ...(process.env.PATH ?? '').split(':')]) {
    const path = join(directory, program)
    try {
      accessSync(path, constants.X_OK)
      return path
    } catch {
      // In another one, perhaps.
    }
  }
  throw new Error(`${program} is not installed`)
}
