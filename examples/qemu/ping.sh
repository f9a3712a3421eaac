#!/bin/sh
# A machine in QEMU and a network namespace on one vswitch ping each other: sudo examples/qemu/ping.sh
# It boots this machine's own kernel, or KERNEL=/boot/vmlinuz-RELEASE with MODULES=/lib/modules/RELEASE. Works in a
# checkout, without installation, and leaves nothing behind.
set -eu
here=$(dirname "$0")
ecdock_fast() { node "$here/../../dist/src/cli/main.js" "$@"; }
modules=${MODULES:-/lib/modules/$(uname -r)}
release=$(basename "$modules")
kernel=${KERNEL:-/boot/vmlinuz-$release}
for needed in "$kernel" "$modules"; do
  if [ ! -e "$needed" ]; then
    echo "$needed is not there: say with KERNEL and MODULES which kernel to boot" >&2
    exit 1
  fi
done
for program in qemu-system-x86_64 busybox; do
  if ! command -v "$program" >/dev/null; then
    echo "$program is missing: apt install qemu-system-x86 busybox-static kmod" >&2
    exit 1
  fi
done

accelerator=tcg
if [ -w /dev/kvm ] && grep -qE '^flags.* (vmx|svm)( |$)' /proc/cpuinfo; then accelerator=kvm; fi

directory=$(mktemp -d)
vswitch= netns= machine=
take_down() {
  [ -z "$machine" ] || kill "$machine"
  wait
  [ -z "$vswitch" ] || ecdock_fast --quiet delete-vswitch "$vswitch"
  [ -z "$netns" ] || ip netns delete "$netns"
  rm -r "$directory"
}
trap take_down EXIT

"$here/initramfs.sh" "$directory/initramfs" "$release" "${modules%/lib/modules/*}/"
ip netns add shore
netns=shore
ecdock_fast create-vswitch vm0 10.4.0.254/24 --kind vde
vswitch=vm0
ecdock_fast --vswitch vm0 plug netns:shore --slot 1

# What qemu-args prints has no spaces within its words. The machine gives itself the address of its slot.
network=$(ecdock_fast --vswitch vm0 qemu-args 2)
# shellcheck disable=SC2086
qemu-system-x86_64 -accel "$accelerator" -m 128 -nodefaults -no-user-config -display none -no-reboot \
  -kernel "$kernel" -initrd "$directory/initramfs" \
  -append 'console=ttyS0 quiet panic=-1 address=10.4.0.2/24 ping=10.4.0.1' \
  -serial "file:$directory/console" $network &
machine=$!

until grep -q 'is ready' "$directory/console" 2>/dev/null; do
  kill -0 "$machine"
  sleep 0.1
done
cat "$directory/console"
ip netns exec shore ping -c 3 10.4.0.2
