#include "test/fuzz/hostile_frame.h"

#include <cstring>

namespace ecdock::fuzz {

using namespace ecdock::vde;

namespace {

constexpr size_t kStations = 8;
constexpr uint8_t kTcp = 6;
constexpr uint8_t kUdp = 17;

void put16(Bytes& bytes, size_t value) {
  bytes.push_back(static_cast<uint8_t>(value >> 8));
  bytes.push_back(static_cast<uint8_t>(value));
}

void put_station(Random& random, Bytes& bytes) {
  const uint8_t first = random.one_in(10) ? 0xff : 0x02;
  for (int i = 0; i < 5; ++i) bytes.push_back(first);
  bytes.push_back(first == 0xff ? first : static_cast<uint8_t>(random.below(kStations)));
}

// `size` is that of what follows.
void put_ipv4(Random& random, Bytes& bytes, uint8_t protocol, size_t size) {
  const size_t options = random.one_in(4) ? random.below(11) * 4 : 0;
  bytes.push_back(static_cast<uint8_t>(0x45 + options / 4));
  bytes.push_back(0);
  put16(bytes, 20 + options + size);
  for (const int byte : {1, 2, 0x40, 0, 64}) bytes.push_back(static_cast<uint8_t>(byte));
  bytes.push_back(protocol);
  for (const int byte : {0, 0, 10, 0, 0, 1, 10, 0, 0, 2}) bytes.push_back(static_cast<uint8_t>(byte));
  bytes.resize(bytes.size() + options, 1);
}

void put_ipv6(Random& random, Bytes& bytes, uint8_t protocol, size_t size) {
  const size_t extension = random.one_in(4) ? (1 + random.below(8)) * 8 : 0;
  for (const int byte : {0x60, 0, 0, 0}) bytes.push_back(static_cast<uint8_t>(byte));
  put16(bytes, extension + size);
  bytes.push_back(extension > 0 ? 60 : protocol);
  bytes.push_back(64);
  bytes.resize(bytes.size() + 32, 0xfd);
  if (extension == 0) return;
  bytes.push_back(protocol);
  bytes.push_back(static_cast<uint8_t>(extension / 8 - 1));
  bytes.resize(bytes.size() + extension - 2, 0);
}

void put_transport(Random& random, Bytes& bytes, uint8_t protocol, size_t options, size_t size) {
  const size_t begin = bytes.size();
  put16(bytes, 1000);
  put16(bytes, 2000);
  if (protocol == kUdp) {
    put16(bytes, size);
    put16(bytes, random.next());
    return;
  }
  bytes.resize(begin + 20 + options, 0);
  bytes[begin + 12] = static_cast<uint8_t>((20 + options) / 4 << 4);
  bytes[begin + 13] = static_cast<uint8_t>(random.next());
}

// What the kernel would say of the frame.
Offload true_offload(Random& random, const Bytes& bytes, bool ipv6, uint8_t protocol, size_t transport,
                     size_t header) {
  Offload offload;
  if ((protocol != kTcp && protocol != kUdp) || random.one_in(3)) return offload;
  offload.flags = Offload::kNeedsChecksum;
  offload.checksum_start = static_cast<uint16_t>(transport);
  offload.checksum_offset = protocol == kUdp ? 6 : 16;
  if (bytes.size() <= transport + header || random.one_in(3)) return offload;
  offload.segmentation = protocol == kUdp ? Offload::kUdp : ipv6 ? Offload::kTcp6 : Offload::kTcp4;
  offload.header_size = static_cast<uint16_t>(transport + header);
  offload.segment_size = static_cast<uint16_t>(random.of<size_t>({1, 40, 536, 1448, 8948, 9000, 65535}));
  return offload;
}

void lie(Random& random, Offload& offload) {
  uint8_t raw[sizeof offload];
  std::memcpy(raw, &offload, sizeof offload);
  const auto number = static_cast<uint16_t>(random.odd_number());
  const size_t at = random.below(6);
  if (at == 0) {
    raw[random.below(2)] = random.of<uint8_t>({0, 1, 3, 4, 5, 0x81, 0x84, 0xff});
  } else {
    std::memcpy(raw + 2 * (at - 1), &number, sizeof number);
  }
  std::memcpy(&offload, raw, sizeof offload);
}

}  // namespace

Bytes HostileFrame::with_offload() const {
  Bytes all(sizeof offload + bytes.size());
  std::memcpy(all.data(), &offload, sizeof offload);
  std::copy(bytes.begin(), bytes.end(), all.begin() + sizeof offload);
  return all;
}

HostileFrame hostile_frame(Random& random, size_t most_payload) {
  HostileFrame made;
  Bytes& bytes = made.bytes;
  put_station(random, bytes);
  put_station(random, bytes);
  for (size_t tags = random.one_in(3) ? random.between(1, 3) : 0; tags > 0; --tags) {
    put16(bytes, random.one_in(4) ? 0x88a8 : 0x8100);
    put16(bytes, random.below(5));
  }
  const size_t payload = random.length(most_payload);
  if (random.one_in(5)) {
    put16(bytes, random.of<size_t>({0x0806, 0x0800, 0x86dd, 0x8100, 0, 0xffff}));
  } else {
    const bool ipv6 = random.one_in(2);
    const uint8_t protocol = random.of<uint8_t>({kTcp, kTcp, kUdp, kUdp, 1});
    const size_t options = protocol == kTcp && random.one_in(2) ? random.below(11) * 4 : 0;
    const size_t header = protocol == kTcp ? 20 + options : protocol == kUdp ? 8 : 0;
    put16(bytes, ipv6 ? 0x86dd : 0x0800);
    (ipv6 ? put_ipv6 : put_ipv4)(random, bytes, protocol, header + payload);
    const size_t transport = bytes.size();
    if (header > 0) put_transport(random, bytes, protocol, options, header + payload);
    bytes.resize(bytes.size() + payload, 0x5a);
    made.offload = true_offload(random, bytes, ipv6, protocol, transport, header);
    if (random.one_in(2)) return made;
  }
  if (random.one_in(2)) mutate(random, bytes, kMaxSegment + 1);
  for (size_t lies = random.below(3); lies > 0; --lies) lie(random, made.offload);
  return made;
}

}  // namespace ecdock::fuzz
