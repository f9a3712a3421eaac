#!/bin/sh
# What udhcpc runs when it has got an address, has renewed it, or has lost it: $1 says which, the rest is in variables.
case $1 in
  deconfig)
    ip address flush dev "$interface"
    ip link set "$interface" up
    ;;
  bound | renew)
    ip address replace "$ip/$mask" dev "$interface"
    [ -z "$router" ] || ip route replace default via "${router%% *}" dev "$interface"
    echo "$interface has $ip from $serverid"
    ;;
esac
