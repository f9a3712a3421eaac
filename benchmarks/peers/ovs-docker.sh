#!/bin/bash
# usage: ovs-docker.sh BRIDGE TARGET-PREFIX
# A port on an Open vSwitch bridge, as Open vSwitch's own ovs-docker makes it. The `docker` that it asks for
# the process id is docker-inspect.sh, which only favours it.
. "$(dirname "$0")/answer.sh"
bridge=$1
targets=$2

plug_one() {
  local ipv4 mac
  slot_ipv4 "$1"
  slot_mac "$1"
  ovs-docker add-port "$bridge" eth0 "$targets$1" \
    --ipaddress="$ipv4/16" --macaddress="$mac" --gateway="$gateway"
}

unplug_one() {
  ovs-docker del-port "$bridge" eth0 "$targets$1"
}

answer
