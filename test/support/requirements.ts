import { composeCommand } from './compose.js'
import { onPath } from './on-path.js'

/** What a test may need besides Node, and the Debian package that brings it. */
const REQUIREMENTS = {
  root: { there: () => process.getuid?.() === 0, how: 'run the tests as root' },
  openvswitch: {
    there: () => ['ovsdb-tool', 'ovsdb-server', 'ovs-vswitchd', 'ovs-vsctl'].every(onPath),
    how: 'apt-get install openvswitch-switch',
  },
  vde: {
    there: () => ['vde_switch', 'vde_plug', 'dpipe'].every(onPath),
    how: 'apt-get install vde2',
  },
  docker: { there: () => onPath('dockerd'), how: 'apt-get install docker.io' },
  compose: { there: () => composeCommand() !== undefined, how: 'apt-get install docker-compose' },
  qemu: { there: () => onPath('qemu-system-x86_64'), how: 'apt-get install qemu-system-x86' },
  kmod: { there: () => onPath('modprobe'), how: 'apt-get install kmod' },
  busybox: { there: () => onPath('busybox'), how: 'apt-get install busybox-static' },
  cmake: { there: () => onPath('cmake'), how: 'apt-get install cmake' },
  strace: { there: () => onPath('strace'), how: 'apt-get install strace' },
  iproute2: { there: () => onPath('ip'), how: 'apt-get install iproute2' },
  ping: { there: () => onPath('ping'), how: 'apt-get install iputils-ping' },
  iptables: { there: () => onPath('iptables'), how: 'apt-get install iptables' },
  tcpdump: { there: () => onPath('tcpdump'), how: 'apt-get install tcpdump' },
  socat: { there: () => onPath('socat'), how: 'apt-get install socat' },
  ethtool: { there: () => onPath('ethtool'), how: 'apt-get install ethtool' },
} as const

export type Requirement = keyof typeof REQUIREMENTS

/**
 * Whether all that is named is there. What is missing is named on stderr, so that the caller can skip its tests:
 *
 *     const withDocker = needs('root', 'docker') ? test : test.skip
 *     withDocker('a container is plugged in', async () => { … })
 *
 * Under CI (environment variable CI) it throws instead: there nothing may be skipped for want of a program or
 * a privilege.
 */
export function needs(...requirements: readonly Requirement[]): boolean {
  const missing = requirements.filter((requirement) => !REQUIREMENTS[requirement].there())
  if (missing.length === 0) return true
  const reasons = missing.map((requirement) => `${requirement} (${REQUIREMENTS[requirement].how})`).join(', ')
  if (underCi()) throw new Error(`missing, and under CI nothing may be skipped for that: ${reasons}`)
  console.error(`skipped, because this is missing: ${reasons}`)
  return false
}

/** Whether the environment says that this is a continuous integration run. */
export function underCi(): boolean {
  return !['', '0', 'false'].includes(process.env.CI ?? '')
}
