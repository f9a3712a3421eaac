# Sourced by the peers that are shell scripts, which define plug_one and unplug_one. Reads commands of the
# form `plug FIRST COUNT` and `unplug FIRST COUNT`, one a line, and answers each with a line of JSON: how
# many ns each of the slots took.
set -euo pipefail
export LC_ALL=C

answer() {
  local verb first count slot begin end separator
  while read -r verb first count; do
    separator='['
    for ((slot = first; slot < first + count; slot++)); do
      begin=${EPOCHREALTIME/./}
      "${verb}_one" "$slot" </dev/null >&2
      end=${EPOCHREALTIME/./}
      printf '%s%d' "$separator" $(((end - begin) * 1000))
      separator=','
    done
    printf ']\n'
  done
}

# The addresses of a slot of 10.0.0.0/16, and the switch's own.
slot_ipv4() { ipv4="10.0.$(($1 / 256)).$(($1 % 256))"; }
slot_mac() { printf -v mac '52:00:0a:00:%02x:%02x' $(($1 / 256)) $(($1 % 256)); }
gateway=10.0.255.254
