#include "switch/vlan_tag.h"

#include "switch/internet_headers.h"

namespace ecdock::vde {

namespace {

constexpr size_t kAddresses = 12;

// The kernel counts from the first byte of the frame.
void shift_offload(Offload& offload, int bytes) {
  if (offload.needs_checksum()) {
    offload.checksum_start = static_cast<uint16_t>(offload.checksum_start + bytes);
  }
  if (!offload.divided()) {
    offload.header_size = static_cast<uint16_t>(offload.header_size + bytes);
  }
}

}  // namespace

std::optional<uint16_t> vlan_of(const Frame& frame) {
  if (frame.size < kEthernetHeader + kVlanTag) return std::nullopt;
  if (read_be16(frame.bytes + kAddresses) != kEtherType8021q) return std::nullopt;
  return read_be16(frame.bytes + kEthernetHeader) & (kVlanIds - 1);
}

void push_vlan_tag(Frame& frame, uint16_t vlan) {
  uint8_t* const moved = frame.bytes - kVlanTag;
  std::memmove(moved, frame.bytes, kAddresses);
  write_be16(moved + kAddresses, kEtherType8021q);
  write_be16(moved + kEthernetHeader, vlan);
  frame.bytes = moved;
  frame.size += kVlanTag;
  shift_offload(frame.offload, kVlanTag);
}

void pop_vlan_tag(Frame& frame) {
  std::memmove(frame.bytes + kVlanTag, frame.bytes, kAddresses);
  frame.bytes += kVlanTag;
  frame.size -= kVlanTag;
  shift_offload(frame.offload, -static_cast<int>(kVlanTag));
}

}  // namespace ecdock::vde
