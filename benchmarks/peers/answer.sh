# Sourced by the peers that are shell scripts, which define plug_one and unplug_one. Reads commands of the
# form `plug FIRST COUNT` and `unplug FIRST COUNT`, one a line, and answers each with a line: the ns that it
# took as a whole. What `settle_one` does after a plug, if it is defined, is nobody's time.
set -euo pipefail
export LC_ALL=C

answer() {
  local verb first count slot begin end
  while read -r verb first count; do
    begin=${EPOCHREALTIME/./}
    for ((slot = first; slot < first + count; slot++)); do
      "${verb}_one" "$slot" </dev/null >&2
    done
    end=${EPOCHREALTIME/./}
    if [ "$verb" = plug ]; then settle "$first" "$count"; fi
    printf '%d\n' $(((end - begin) * 1000))
  done
}

settle() {
  local slot
  declare -F settle_one >/dev/null || return 0
  for ((slot = $1; slot < $1 + $2; slot++)); do
    settle_one "$slot" </dev/null >&2
  done
}

# The addresses of a slot of 10.0.0.0/16, and the switch's own.
slot_ipv4() { ipv4="10.0.$(($1 / 256)).$(($1 % 256))"; }
slot_mac() { printf -v mac '52:00:0a:00:%02x:%02x' $(($1 / 256)) $(($1 % 256)); }
gateway=10.0.255.254
