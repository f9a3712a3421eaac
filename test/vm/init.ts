export interface InitOptions {
  /** In the machine: the programs node and busybox, and the directory of the checkout. */
  node: string
  busybox: string
  project: string
  /** For ECDOCK_TEST_PATIENCE (test/support/patience.ts). */
  patience: number
}

/**
 * The machine's first process. What the tests say goes to the second serial line, their exit status to the third; the
 * kernel's messages, and what goes wrong here, are on the first.
 */
export function init({ node, busybox, project, patience }: InitOptions): string {
  return `#!/bin/sh
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/busybox
export HOME=/root CI=true ECDOCK_TEST_DATAPATH=system ECDOCK_TEST_PATIENCE=${patience}
${quoted(busybox)} mkdir -p /busybox
${quoted(busybox)} --install -s /busybox
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs tmpfs /dev/shm
mount -t tmpfs tmpfs /run
ip link set lo up
for line in ttyS1 ttyS2; do stty -F /dev/$line raw; done
for module in openvswitch veth bridge br_netfilter tun; do
  modprobe $module || echo "there is no module $module"
done
cd ${quoted(project)}
${quoted(node)} dist/test/run.js --jobs 2 --timeout ${120 * patience} >/dev/ttyS1 2>&1 </dev/null
echo "exit status $?" >/dev/ttyS2
sync
poweroff -f
`
}

function quoted(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`
}
