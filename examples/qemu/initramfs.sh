#!/bin/sh
# Makes the root file system of a tiny machine: initramfs.sh FILE [KERNEL-RELEASE [BASE-DIRECTORY]]
# It has busybox (Debian: busybox-static), and of what is in lib/modules/KERNEL-RELEASE (default this machine's) below
# BASE-DIRECTORY (default /) the drivers of virtio network cards. Needs kmod, and no root.
set -eu
file=$(realpath "$1")
release=${2:-$(uname -r)}
base=${3:-/}

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
mkdir "$root/bin" "$root/dev" "$root/modules" "$root/proc"
cp "$(command -v busybox)" "$root/bin/busybox"

# A line for each module, in the order in which they are inserted: "insmod /…/virtio.ko.xz", or "builtin virtio".
for card in virtio_pci virtio_net; do
  PATH=$PATH:/usr/sbin:/sbin modprobe --dirname "$base" --set-version "$release" --show-depends "$card"
done >"$root/drivers"
number=10
awk '$1 == "insmod" && !seen[$2]++ { print $2 }' "$root/drivers" | while read -r path; do
  case $path in
    *.xz) xz -dc "$path" ;;
    *.zst) zstd -dcq "$path" ;;
    *.gz) gzip -dc "$path" ;;
    *) cat "$path" ;;
  esac >"$root/modules/$number.ko"
  number=$((number + 1))
done
rm "$root/drivers"

# What the kernel does not know of its command line, such as address=10.0.0.3/24, it gives to this program.
cat >"$root/init" <<'INIT'
#!/bin/busybox ash
export PATH=/bin
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t devtmpfs devtmpfs /dev
for module in /modules/*.ko; do
  [ ! -e "$module" ] || insmod "$module"
done
ip link set lo up
ip link set eth0 up
ip address add "$address" dev eth0
# An echo service: what comes to port 7 goes back.
nc -ll -p 7 -e cat &
# The first request may be sent before the card is ready.
[ -z "$ping" ] || until ping -c 1 -W 1 "$ping"; do :; done
echo "the machine with $address is ready"
wait
INIT
chmod 755 "$root/init"
(cd "$root" && find . | busybox cpio -o -H newc 2>/dev/null) >"$file"
