#pragma once

#include <cstdint>
#include <initializer_list>
#include <random>
#include <vector>

#include "switch/segmenter.h"

namespace ecdock::vde {

using Bytes = std::vector<uint8_t>;

// The checksum as RFC 1071 writes it down, word by word.
inline uint16_t plain_sum(const uint8_t* bytes, size_t size, uint32_t sum = 0) {
  for (size_t i = 0; i < size; i += 2) sum += bytes[i] << 8 | (i + 1 < size ? bytes[i + 1] : 0);
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(sum);
}

struct Kind {
  bool ipv6 = false;
  bool udp = false;
  int tags = 0;
  size_t extensions =
      0;  // bytes between the IP header and the transport header: IPv4 options, IPv6 extensions
  size_t tcp_options = 0;
  bool marked = true;  // CWR on the first segment of TCP, FIN and PSH on the last
};

struct Packet {
  Bytes bytes;
  size_t network = 0;
  size_t transport = 0;
  size_t payload = 0;
};

inline void put(Bytes& bytes, std::initializer_list<int> more) {
  for (const int byte : more) bytes.push_back(static_cast<uint8_t>(byte));
}

// The packet as its sender would have put it on the wire, if the wire carried packets of any length. `part`
// says which part of the sender's data it carries, so that the expectation is built apart from the code that
// is tested.
inline Packet packet(const Kind& kind, const Bytes& data, size_t begin, size_t end, size_t total,
                     uint16_t index) {
  Packet built;
  Bytes& bytes = built.bytes;
  put(bytes, {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2});
  for (int i = 0; i < kind.tags; ++i)
    put(bytes, {i == 0 && kind.tags > 1 ? 0x88 : 0x81, i == 0 && kind.tags > 1 ? 0xa8 : 0, 0x20, 7});
  put(bytes, kind.ipv6 ? std::initializer_list<int>{0x86, 0xdd} : std::initializer_list<int>{8, 0});
  built.network = bytes.size();
  const size_t header = kind.udp ? 8 : 20 + kind.tcp_options;
  const size_t size = header + end - begin;
  const int protocol = kind.udp ? 17 : 6;
  if (kind.ipv6) {
    const size_t length = size + kind.extensions;
    put(bytes, {0x60, 1, 2, 3, static_cast<int>(length >> 8), static_cast<int>(length & 255)});
    put(bytes, {kind.extensions > 0 ? 60 : protocol, 64});
    for (int i = 0; i < 32; ++i) bytes.push_back(static_cast<uint8_t>(0x20 + i));
    for (size_t i = 0; i < kind.extensions; ++i) {
      bytes.push_back(static_cast<uint8_t>(i == 0   ? protocol
                                           : i == 1 ? kind.extensions / 8 - 1
                                           : i == 2 ? 1
                                           : i == 3 ? kind.extensions - 4
                                                    : 0));
    }
  } else {
    const size_t length = 20 + kind.extensions + size;
    const uint16_t id = static_cast<uint16_t>(0xfffe + index);
    put(bytes, {static_cast<int>(0x45 + kind.extensions / 4),
                0,
                static_cast<int>(length >> 8),
                static_cast<int>(length & 255),
                id >> 8,
                id & 255,
                0x40,
                0,
                64,
                protocol,
                0,
                0,
                10,
                0,
                0,
                1,
                10,
                0,
                0,
                2});
    for (size_t i = 0; i < kind.extensions; ++i) bytes.push_back(1);
  }
  built.transport = bytes.size();
  if (!kind.ipv6) {
    const uint16_t sum =
        static_cast<uint16_t>(~plain_sum(bytes.data() + built.network, built.transport - built.network));
    write_be16(bytes.data() + built.network + 10, sum);
  }
  if (kind.udp) {
    put(bytes, {0x10, 1, 0x20, 2, static_cast<int>(size >> 8), static_cast<int>(size & 255), 0, 0});
  } else {
    const auto sequence = static_cast<uint32_t>(0xfffffff0 + begin);
    const bool first = kind.marked && begin == 0;
    const bool last = kind.marked && end == total;
    put(bytes, {0x10,
                1,
                0x20,
                2,
                0,
                0,
                0,
                0,
                1,
                2,
                3,
                4,
                static_cast<int>((20 + kind.tcp_options) / 4 << 4),
                0x10 | (last ? 0x09 : 0) | (first ? 0x80 : 0),
                0x10,
                0,
                0,
                0,
                0,
                0});
    write_be32(bytes.data() + built.transport + 4, sequence);
    for (size_t i = 0; i < kind.tcp_options; ++i) bytes.push_back(1);
  }
  built.payload = bytes.size();
  bytes.insert(bytes.end(), data.begin() + static_cast<std::ptrdiff_t>(begin),
               data.begin() + static_cast<std::ptrdiff_t>(end));
  return built;
}

inline size_t checksum_field(const Kind& kind, const Packet& packet) {
  return packet.transport + (kind.udp ? 6 : 16);
}

inline uint16_t pseudo_sum(const Kind& kind, const Packet& packet) {
  const uint8_t* const network = packet.bytes.data() + packet.network;
  const auto size = static_cast<uint32_t>(packet.bytes.size() - packet.transport);
  const uint32_t rest = (kind.udp ? 17 : 6) + size;
  return kind.ipv6 ? plain_sum(network + 8, 32, rest) : plain_sum(network + 12, 8, rest);
}

inline void finish(const Kind& kind, Packet& packet) {
  const uint16_t sum = plain_sum(packet.bytes.data() + packet.transport,
                                 packet.bytes.size() - packet.transport, pseudo_sum(kind, packet));
  const auto checksum = static_cast<uint16_t>(~sum);
  write_be16(packet.bytes.data() + checksum_field(kind, packet), checksum == 0 ? 0xffff : checksum);
}

inline std::vector<Bytes> divided(const Frame& frame, bool& well_formed) {
  std::vector<Bytes> all;
  Segmenter segments(frame);
  while (const auto segment = segments.next()) {
    Bytes& bytes = all.emplace_back(segment->head.begin(), segment->head.end());
    bytes.insert(bytes.end(), segment->body.begin(), segment->body.end());
  }
  well_formed = segments.well_formed();
  return all;
}

inline Frame frame_of(Bytes& bytes) { return Frame{bytes.data(), bytes.size(), {}}; }

inline Bytes random_bytes(std::mt19937& random, size_t size) {
  Bytes bytes(size);
  for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random());
  return bytes;
}

}  // namespace ecdock::vde
