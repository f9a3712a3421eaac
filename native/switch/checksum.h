#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace ecdock::vde {

// The Internet checksum (RFC 1071). Sums are 16 bits in one's complement, of words in network byte order, so
// that sums of parts that begin at even offsets can be added.
uint16_t checksum_sum(std::span<const uint8_t> bytes);

inline uint16_t checksum_add(uint16_t a, uint16_t b) {
  const uint32_t sum = uint32_t{a} + b;
  return static_cast<uint16_t>((sum & 0xffff) + (sum >> 16));
}

inline uint16_t checksum_subtract(uint16_t a, uint16_t b) {
  return checksum_add(a, static_cast<uint16_t>(~b));
}

}  // namespace ecdock::vde
