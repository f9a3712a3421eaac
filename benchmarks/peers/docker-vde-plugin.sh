#!/bin/bash
# usage: docker-vde-plugin.sh VSWITCH TARGET-PREFIX
# A port as docker-vde-plugin makes it for a container: in Join it starts ip four times, and vde_plug2tap, for which it does
# not wait (network_driver.go). Then Docker takes the tap into the container and configures it there, without programs; here
# two of ip do that, in one batch each. STEPS in the environment says what is timed: `own` without Docker's part, `all`
# with it. VSWITCH is vde_switch's directory.
. "$(dirname "$0")/answer.sh"
switch=$1
targets=$2
declare -A plugs

join() {
  local tap="vde$1" ipv4 mac
  slot_ipv4 "$1"
  slot_mac "$1"
  ip tuntap add dev "$tap" mode tap
  ip link set dev "$tap" address "$mac"
  ip link set dev "$tap" up
  ip address add "$ipv4/16" dev "$tap"
  vde_plug2tap --sock "$switch" "$tap" </dev/null >&2 &
  plugs[$1]=$!
}

# vde_plug2tap opens the tap by its name, which it has to have done before that changes.
await_open() {
  local opened=()
  until [[ "${opened[*]-}" == *"$1"* ]]; do
    mapfile -t opened 2>&- <"/proc/$2/fdinfo/3" || true
  done
} 2>/dev/null

take_in() {
  local tap="vde$1" ipv4
  slot_ipv4 "$1"
  await_open "$tap" "${plugs[$1]}"
  ip link set dev "$tap" netns "$targets$1" name eth0
  ip -n "$targets$1" -batch - <<END
link set lo up
address add $ipv4/16 dev eth0
link set eth0 up
route add default via $gateway
END
}

plug_one() {
  join "$1"
  if [ "$STEPS" = all ]; then take_in "$1"; fi
}

settle_one() {
  if [ "$STEPS" = own ]; then take_in "$1"; fi
}

unplug_one() {
  kill "${plugs[$1]}"
  wait "${plugs[$1]}" || true
  ip -n "$targets$1" link del eth0
}

answer
