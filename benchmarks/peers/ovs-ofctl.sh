#!/bin/bash
# usage: ovs-ofctl.sh BRIDGE TARGET-PREFIX
# The flow of a slot, as ecDock's script sets it: no port is made.
. "$(dirname "$0")/answer.sh"
bridge=$1

plug_one() {
  local mac
  slot_mac "$1"
  ovs-ofctl add-flow "$bridge" "dl_dst=$mac,actions=output:$1"
}

unplug_one() {
  local mac
  slot_mac "$1"
  ovs-ofctl del-flows "$bridge" "dl_dst=$mac"
}

answer
