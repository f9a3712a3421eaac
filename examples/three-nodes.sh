#!/bin/sh
# Three bare namespaces on one vswitch, with the command line: sudo examples/three-nodes.sh
# Works in a checkout, without installation, and leaves nothing behind.
set -eu
ecdock_fast() { node "$(dirname "$0")/../dist/src/cli/main.js" "$@"; }

made=
take_down() {
  ecdock_fast --quiet delete-vswitch sh0
  for node in $made; do ip netns delete "$node"; done
}

ecdock_fast create-vswitch sh0 10.6.0.254/24
trap take_down EXIT
for node in alice bob carol; do
  ip netns add "$node"
  made="$made $node"
done
ecdock_fast --vswitch sh0 plug netns:alice netns:bob netns:carol

ip netns exec alice ping -c 1 10.6.0.3
ecdock_fast --vswitch sh0 ls
