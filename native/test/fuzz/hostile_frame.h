#pragma once

#include "switch/frame.h"
#include "test/fuzz/rounds.h"

namespace ecdock::fuzz {

// A frame as a hostile sender might make it, with what it says of itself in its Offload.
struct HostileFrame {
  Bytes bytes;
  vde::Offload offload;

  // As a tap with IFF_VNET_HDR hands it over.
  Bytes with_offload() const;
};

// Of a few stations, so that some know each other; up to three VLAN tags; IPv4 with options, IPv6 with
// extension headers, ARP or anything; TCP, UDP or anything. Half of them are as they should be, and in the
// others something is not.
HostileFrame hostile_frame(Random& random, size_t most_payload);

}  // namespace ecdock::fuzz
