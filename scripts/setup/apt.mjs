import { accessSync, constants, existsSync } from 'node:fs'
import { join } from 'node:path'
import { distributions } from './distribution.mjs'
import { run, SetupError, step } from './step.mjs'

const program = (name) => () => onPath(name)
const file = (path) => () => existsSync(path)

/** Where Docker looks for its subcommand `compose`. */
const COMPOSE_PLUGINS = ['/usr/local/lib', '/usr/local/libexec', '/usr/lib', '/usr/libexec'].map(
  (above) => `${above}/docker/cli-plugins/docker-compose`,
)

/**
 * Debian package names, and how to see that what they are needed for is there. Programs are looked for rather
 * than packages, because Docker's own docker-ce serves as well as docker.io, and Fedora's make as Debian's.
 */
const PACKAGES = {
  python3: program('python3'),
  make: program('make'),
  gcc: program('gcc'),
  'g++': program('g++'),
  cmake: program('cmake'),
  'clang-format': () => onPath('clang-format-14') || onPath('clang-format'),
  'doctest-dev': file('/usr/include/doctest/doctest.h'),
  'openvswitch-switch': () => onPath('ovs-vswitchd') && onPath('ovsdb-server') && onPath('ovs-vsctl'),
  'docker.io': program('dockerd'),
  'docker-compose': () => onPath('docker-compose') || COMPOSE_PLUGINS.some(existsSync),
  vde2: () => onPath('vde_switch') && onPath('vde_plug') && onPath('vde_plug2tap') && onPath('dpipe'),
  iproute2: program('ip'),
  'iputils-ping': program('ping'),
  iptables: program('iptables'),
  ethtool: program('ethtool'),
  strace: program('strace'),
  tcpdump: program('tcpdump'),
  socat: program('socat'),
  procps: program('sysctl'),
  // ovs-docker needs it, which the benchmark measures; its quick run is one of the tests.
  'uuid-runtime': program('uuidgen'),
  'util-linux': () => onPath('unshare') && onPath('nsenter'),
  'qemu-system-x86': program('qemu-system-x86_64'),
  kmod: () => onPath('modprobe') && onPath('depmod'),
  // The tests make a container image of it, so that a busybox with shared libraries does not do.
  'busybox-static': file('/var/lib/dpkg/info/busybox-static.list'),
}

// node-gyp needs these three.
const BUILD = ['python3', 'make', 'g++']

/** What each profile needs from the system's packages. */
export const PROFILES = {
  demo: BUILD,
  test: [
    ...BUILD,
    'cmake',
    'clang-format',
    'doctest-dev',
    'openvswitch-switch',
    'docker.io',
    'docker-compose',
    'vde2',
    'iproute2',
    'iputils-ping',
    'iptables',
    'ethtool',
    'strace',
    'tcpdump',
    'socat',
    'procps',
    'uuid-runtime',
    'util-linux',
    'busybox-static',
    'qemu-system-x86',
    'kmod',
  ],
  vm: [
    ...BUILD,
    'openvswitch-switch',
    'vde2',
    'iproute2',
    'iputils-ping',
    'iptables',
    'ethtool',
    'strace',
    'tcpdump',
    'socat',
    'procps',
    'uuid-runtime',
    'util-linux',
    'busybox-static',
    'qemu-system-x86',
    'kmod',
  ],
  bench: [
    ...BUILD,
    'gcc',
    'openvswitch-switch',
    'vde2',
    'iproute2',
    'iputils-ping',
    'uuid-runtime',
    'util-linux',
  ],
}

/** Ubuntu's docker-compose is of version 1, which its Python is too new for. */
const CALLED_OTHERWISE = { ubuntu: { 'docker-compose': 'docker-compose-v2' } }

/** What apt may take away in exchange: busybox-static is busybox, linked statically. */
const REPLACEABLE = ['busybox']

export const APT_ENVIRONMENT = {
  ...process.env,
  DEBIAN_FRONTEND: 'noninteractive',
  NEEDRESTART_SUSPEND: '1',
  LC_ALL: 'C',
}

export function installSystemPackages(profile) {
  const needed = PROFILES[profile].filter((name) => !PACKAGES[name]())
  if (needed.length === 0) return
  const otherwise = CALLED_OTHERWISE[distributions()[0]] ?? {}
  const missing = needed.map((name) => otherwise[name] ?? name)
  const command = `apt-get update && apt-get install --no-install-recommends ${missing.join(' ')}`
  if (!onPath('apt-get')) {
    throw new SetupError(
      3,
      `Missing on this machine: ${missing.join(', ')} (these are Debian's package names).`,
      'Install them with your package manager and run the same command again.',
    )
  }
  if (process.getuid() !== 0) {
    throw new SetupError(
      3,
      `Missing on this machine: ${missing.join(', ')}, and only root can install them.`,
      `Run this, then the same command again:\n\n  sudo sh -c '${command}'\n`,
    )
  }
  step(`apt packages: ${missing.join(' ')}`, () => aptInstall(missing, command))
  const stillMissing = needed.filter((name) => !PACKAGES[name]())
  if (stillMissing.length > 0) {
    throw new SetupError(
      1,
      `apt-get installed ${stillMissing.join(', ')}, but what they should bring is not there.`,
    )
  }
}

function aptInstall(packages, command) {
  const apt = (args, next) =>
    run('apt-get', ['-o', 'DPkg::Lock::Timeout=120', ...args], { env: APT_ENVIRONMENT, next })
  try {
    apt(['update'])
  } catch (error) {
    // One broken source of many does not matter if the packages come from the others, and the install shows that.
    process.stderr.write(`(${firstLine(error.message)}) `)
  }
  const install = ['install', '--yes', '--no-install-recommends', ...packages]
  const next = `To see it happen, run as root: ${command}`
  const removed = [...apt(['--simulate', ...install], next).matchAll(/^Remv (\S+)/gm)]
    .map((match) => match[1])
    .filter((name) => !REPLACEABLE.includes(name))
  if (removed.length > 0) {
    throw new SetupError(
      3,
      `To install ${packages.join(', ')}, apt would remove ${removed.join(', ')}, which is yours to decide.`,
      `If you agree, run as root: ${command}`,
    )
  }
  apt(install, next)
}

/** Whether an executable of that name is on PATH, or where Debian keeps root's, which PATH may lack. */
function onPath(name) {
  return [...(process.env.PATH ?? '').split(':'), '/usr/local/sbin', '/usr/sbin', '/sbin'].some(
    (directory) => {
      try {
        accessSync(join(directory, name), constants.X_OK)
        return directory !== ''
      } catch {
        return false
      }
    },
  )
}

function firstLine(text) {
  return text.split('\n', 1)[0]
}
