#include "switch/checksum.h"

#include <bit>
#include <cstring>

namespace ecdock::vde {

namespace {

uint16_t fold(uint64_t sum) {
  while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(sum);
}

}  // namespace

uint16_t checksum_sum(std::span<const uint8_t> bytes) {
  // The sum does not depend on the byte order of the words that are added, except that its bytes come out
  // swapped (RFC 1071, 2 B), so that words of the machine are added. Words of 32 bits cannot overflow 64
  // here.
  uint64_t sums[4] = {};
  const uint8_t* at = bytes.data();
  size_t left = bytes.size();
  for (; left >= 16; at += 16, left -= 16) {
    uint32_t words[4];
    std::memcpy(words, at, sizeof words);
    for (int i = 0; i < 4; ++i) sums[i] += words[i];
  }
  uint64_t sum = sums[0] + sums[1] + sums[2] + sums[3];
  for (; left >= 2; at += 2, left -= 2) {
    uint16_t word;
    std::memcpy(&word, at, sizeof word);
    sum += word;
  }
  if (left == 1) {
    const uint8_t last[2] = {*at, 0};
    uint16_t word;
    std::memcpy(&word, last, sizeof word);
    sum += word;
  }
  const uint16_t folded = fold(sum);
  if constexpr (std::endian::native == std::endian::little)
    return static_cast<uint16_t>(folded << 8 | folded >> 8);
  return folded;
}

}  // namespace ecdock::vde
