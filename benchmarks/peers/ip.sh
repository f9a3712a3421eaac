#!/bin/bash
# usage: ip.sh BRIDGE TARGET-PREFIX
# A port on a Linux bridge, as scripts make it today with ip.
. "$(dirname "$0")/answer.sh"
bridge=$1
targets=$2

plug_one() {
  local host="$bridge-s$1" netns="$targets$1" ipv4 mac
  slot_ipv4 "$1"
  slot_mac "$1"
  ip link add "$host" type veth peer name "$host-c"
  ip link set "$host" master "$bridge"
  ip link set "$host" up
  ip link set "$host-c" netns "$netns"
  ip -n "$netns" link set "$host-c" name eth0
  ip -n "$netns" link set eth0 address "$mac"
  ip -n "$netns" addr add "$ipv4/16" dev eth0
  ip -n "$netns" addr add "2001:db8::$ipv4/64" dev eth0 nodad
  ip -n "$netns" link set lo up
  ip -n "$netns" link set eth0 up
  ip -n "$netns" route add default via "$gateway"
}

unplug_one() {
  ip link del "$bridge-s$1"
}

answer
