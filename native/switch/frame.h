#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "switch/offload.h"

namespace ecdock::vde {

inline constexpr size_t kEthernetHeader = 14;
inline constexpr size_t kVlanTag = 4;

// The largest payload of a frame that is not a segment still to be divided, which is libvdeplug 4's limit.
inline constexpr size_t kMaxPayload = 9216;

// With room for two VLAN tags.
inline constexpr size_t kMaxFrame = kMaxPayload + kEthernetHeader + 2 * kVlanTag;

// A packet of 64 KB that the kernel left whole, with its link header.
inline constexpr size_t kMaxSegment = 65535 + kEthernetHeader + 2 * kVlanTag;

// What has to be writable before a frame's first byte: a VLAN tag and an Offload can be put there.
inline constexpr size_t kHeadroom = sizeof(Offload) + kVlanTag + 2;

// One Ethernet frame in somebody's buffer, without check sequence.
struct Frame {
  uint8_t* bytes = nullptr;  // with kHeadroom bytes before it
  size_t size = 0;
  Offload offload{};

  const uint8_t* destination() const { return bytes; }
  const uint8_t* source() const { return bytes + 6; }

  // Whether it is complete as it is, so that it can be sent anywhere.
  bool plain() const { return offload.divided() && !offload.needs_checksum(); }
};

inline uint16_t read_be16(const uint8_t* bytes) { return static_cast<uint16_t>(bytes[0] << 8 | bytes[1]); }
inline void write_be16(uint8_t* bytes, uint16_t value) {
  bytes[0] = static_cast<uint8_t>(value >> 8);
  bytes[1] = static_cast<uint8_t>(value);
}
inline uint32_t read_be32(const uint8_t* bytes) {
  return static_cast<uint32_t>(read_be16(bytes)) << 16 | read_be16(bytes + 2);
}
inline void write_be32(uint8_t* bytes, uint32_t value) {
  write_be16(bytes, static_cast<uint16_t>(value >> 16));
  write_be16(bytes + 2, static_cast<uint16_t>(value));
}

}  // namespace ecdock::vde
