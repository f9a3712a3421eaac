#pragma once

#include <cstdint>
#include <optional>

#include "switch/frame.h"

namespace ecdock::vde {

inline constexpr uint16_t kVlanIds = 4096;

// The VLAN of a frame's outermost 802.1Q tag; nothing when it has none.
std::optional<uint16_t> vlan_of(const Frame& frame);

// Both move the frame's first byte, and its offload with it. A tag has priority 0.
void push_vlan_tag(Frame& frame, uint16_t vlan);
void pop_vlan_tag(Frame& frame);

}  // namespace ecdock::vde
