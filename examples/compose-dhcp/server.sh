#!/bin/sh
# The DHCP server: an address of its own, which Docker has not given it, and leases from .100 to .150.
set -e
ip address add 10.77.0.1/24 dev eth0

cat >/tmp/udhcpd.conf <<'CONF'
interface  eth0
start      10.77.0.100
end        10.77.0.150
max_leases 51
lease_file /tmp/udhcpd.leases
option     subnet 255.255.255.0
option     router 10.77.0.1
option     lease  600
CONF
: >/tmp/udhcpd.leases
exec udhcpd -f /tmp/udhcpd.conf
