#include "switch/segmenter.h"

#include <doctest/doctest.h>

#include <random>
#include <string>
#include <vector>

#include "switch/checksum.h"

using namespace ecdock::vde;
using Bytes = std::vector<uint8_t>;

namespace {

// The checksum as RFC 1071 writes it down, word by word.
uint16_t plain_sum(const uint8_t* bytes, size_t size, uint32_t sum = 0) {
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
};

struct Packet {
  Bytes bytes;
  size_t network = 0;
  size_t transport = 0;
  size_t payload = 0;
};

void put(Bytes& bytes, std::initializer_list<int> more) {
  for (const int byte : more) bytes.push_back(static_cast<uint8_t>(byte));
}

// The packet as its sender would have put it on the wire, if the wire carried packets of any length. `part`
// says which part of the sender's data it carries, so that the expectation is built apart from the code that
// is tested.
Packet packet(const Kind& kind, const Bytes& data, size_t begin, size_t end, size_t total, uint16_t index) {
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
    const bool first = begin == 0;
    const bool last = end == total;
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

size_t checksum_field(const Kind& kind, const Packet& packet) {
  return packet.transport + (kind.udp ? 6 : 16);
}

uint16_t pseudo_sum(const Kind& kind, const Packet& packet) {
  const uint8_t* const network = packet.bytes.data() + packet.network;
  const auto size = static_cast<uint32_t>(packet.bytes.size() - packet.transport);
  const uint32_t rest = (kind.udp ? 17 : 6) + size;
  return kind.ipv6 ? plain_sum(network + 8, 32, rest) : plain_sum(network + 12, 8, rest);
}

void finish(const Kind& kind, Packet& packet) {
  const uint16_t sum = plain_sum(packet.bytes.data() + packet.transport,
                                 packet.bytes.size() - packet.transport, pseudo_sum(kind, packet));
  const auto checksum = static_cast<uint16_t>(~sum);
  write_be16(packet.bytes.data() + checksum_field(kind, packet), checksum == 0 ? 0xffff : checksum);
}

std::vector<Bytes> divided(const Frame& frame, bool& well_formed) {
  std::vector<Bytes> all;
  Segmenter segments(frame);
  while (const auto segment = segments.next()) {
    Bytes& bytes = all.emplace_back(segment->head.begin(), segment->head.end());
    bytes.insert(bytes.end(), segment->body.begin(), segment->body.end());
  }
  well_formed = segments.well_formed();
  return all;
}

Frame frame_of(Bytes& bytes) { return Frame{bytes.data(), bytes.size(), {}}; }

Bytes random_bytes(std::mt19937& random, size_t size) {
  Bytes bytes(size);
  for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random());
  return bytes;
}

void check_division(const Kind& kind, const Bytes& data, uint16_t segment_size) {
  Packet whole = packet(kind, data, 0, data.size(), data.size(), 0);
  write_be16(whole.bytes.data() + checksum_field(kind, whole), pseudo_sum(kind, whole));
  const Bytes before = whole.bytes;
  Frame frame = frame_of(whole.bytes);
  frame.offload.flags = Offload::kNeedsChecksum;
  frame.offload.segmentation =
      kind.udp ? Offload::kUdp : (kind.ipv6 ? Offload::kTcp6 : Offload::kTcp4) | Offload::kEcn;
  frame.offload.segment_size = segment_size;
  frame.offload.checksum_start = static_cast<uint16_t>(whole.transport);
  frame.offload.checksum_offset = static_cast<uint16_t>(checksum_field(kind, whole) - whole.transport);
  bool well_formed = false;
  const auto segments = divided(frame, well_formed);
  REQUIRE(well_formed);
  REQUIRE(segments.size() == (data.size() + segment_size - 1) / segment_size);
  uint16_t index = 0;
  for (size_t begin = 0; begin < data.size(); begin += segment_size, ++index) {
    const size_t end = std::min(begin + segment_size, data.size());
    Packet expected = packet(kind, data, begin, end, data.size(), index);
    finish(kind, expected);
    REQUIRE(segments[index] == expected.bytes);
  }
  CHECK(whole.bytes == before);
}

}  // namespace

TEST_CASE("sums are those of RFC 1071, at any length and place") {
  std::mt19937 random(6);
  const Bytes bytes = random_bytes(random, 3000);
  for (int round = 0; round < 2000; ++round) {
    const size_t begin = random() % 100;
    const size_t size = random() % (bytes.size() - begin);
    const uint16_t sum = checksum_sum({bytes.data() + begin, size});
    CHECK(sum % 0xffff == plain_sum(bytes.data() + begin, size) % 0xffff);
  }
  CHECK(checksum_sum(Bytes(100'000, 0xff)) == 0xffff);
  CHECK(checksum_sum({}) == 0);
}

TEST_CASE("segments are byte for byte what their sender would have sent") {
  std::mt19937 random(7);
  for (const bool ipv6 : {false, true}) {
    for (const bool udp : {false, true}) {
      for (const int tags : {0, 1, 2}) {
        for (const size_t extensions : {size_t{0}, size_t{8}, size_t{24}}) {
          const Kind kind{ipv6, udp, tags, extensions, udp ? size_t{0} : size_t{12}};
          check_division(kind, random_bytes(random, 64'000), 1448);
          check_division(kind, random_bytes(random, 1448), 1448);
          check_division(kind, random_bytes(random, 1449), 1448);
          check_division(kind, random_bytes(random, 1), 1448);
          check_division(kind, random_bytes(random, 2 * 1401), 1401);
        }
      }
    }
  }
}

TEST_CASE("segments of any size are right") {
  std::mt19937 random(8);
  for (int round = 0; round < 400; ++round) {
    const Kind kind{random() % 2 == 0, random() % 2 == 0, static_cast<int>(random() % 3), random() % 4 * 8,
                    0};
    const auto segment_size = static_cast<uint16_t>(40 + random() % 9000);
    check_division(kind, random_bytes(random, 1 + random() % 60'000), segment_size);
  }
}

TEST_CASE("an unfinished checksum is filled in") {
  std::mt19937 random(9);
  for (int round = 0; round < 500; ++round) {
    const Kind kind{random() % 2 == 0, random() % 2 == 0, static_cast<int>(random() % 3), random() % 4 * 8,
                    0};
    const Bytes data = random_bytes(random, random() % 1500);
    Packet whole = packet(kind, data, 0, data.size(), data.size(), 0);
    write_be16(whole.bytes.data() + checksum_field(kind, whole), pseudo_sum(kind, whole));
    Frame frame = frame_of(whole.bytes);
    frame.offload.flags = Offload::kNeedsChecksum;
    frame.offload.checksum_start = static_cast<uint16_t>(whole.transport);
    frame.offload.checksum_offset = static_cast<uint16_t>(checksum_field(kind, whole) - whole.transport);
    bool well_formed = false;
    const auto frames = divided(frame, well_formed);
    REQUIRE(well_formed);
    REQUIRE(frames.size() == 1);
    Packet expected = packet(kind, data, 0, data.size(), data.size(), 0);
    finish(kind, expected);
    CHECK(frames[0] == expected.bytes);
  }
}

TEST_CASE("a frame that is complete stays as it is") {
  Bytes bytes(60, 7);
  bool well_formed = false;
  const auto frames = divided(frame_of(bytes), well_formed);
  CHECK(well_formed);
  REQUIRE(frames.size() == 1);
  CHECK(frames[0] == bytes);
}

TEST_CASE("a frame that contradicts what is said of it is not sent") {
  std::mt19937 random(10);
  const Kind kind;
  const Bytes data = random_bytes(random, 5000);
  const auto refused = [&](auto change) {
    Packet whole = packet(kind, data, 0, data.size(), data.size(), 0);
    Frame frame = frame_of(whole.bytes);
    frame.offload =
        Offload{Offload::kNeedsChecksum, Offload::kTcp4, 0, 1448, static_cast<uint16_t>(whole.transport), 16};
    change(frame, whole);
    bool well_formed = true;
    return divided(frame, well_formed).empty() && !well_formed;
  };
  CHECK_FALSE(refused([](Frame&, Packet&) {}));
  CHECK(refused([](Frame& frame, Packet&) { frame.offload.flags = 0; }));
  CHECK(refused([](Frame& frame, Packet&) { frame.offload.segment_size = 0; }));
  CHECK(refused([](Frame& frame, Packet&) { frame.offload.segment_size = 1; }));
  CHECK(refused([](Frame& frame, Packet&) { frame.offload.segmentation = Offload::kTcp6; }));
  CHECK(refused([](Frame& frame, Packet&) { frame.offload.segmentation = 3; }));
  CHECK(refused([](Frame& frame, Packet&) { frame.offload.checksum_start = 0; }));
  CHECK(refused([](Frame& frame, Packet&) { frame.offload.checksum_start = 65535; }));
  CHECK(refused([](Frame& frame, Packet&) { frame.offload.checksum_start += 4; }));
  CHECK(refused([](Frame& frame, Packet&) { frame.offload.checksum_offset = 6; }));
  CHECK(refused([](Frame& frame, Packet&) { frame.offload.checksum_offset = 65535; }));
  CHECK(refused([](Frame& frame, Packet& whole) { frame.size = whole.payload; }));
  CHECK(refused([](Frame& frame, Packet& whole) { frame.size = whole.transport + 10; }));
  CHECK(refused([](Frame&, Packet& whole) { whole.bytes[12] = 0; }));
  CHECK(refused([](Frame&, Packet& whole) { whole.bytes[whole.network] = 0x65; }));
  CHECK(refused([](Frame&, Packet& whole) { whole.bytes[whole.transport + 12] = 0x10; }));
}

TEST_CASE("frames and offloads of any kind are divided or refused, without a fault") {
  std::mt19937 random(11);
  for (int round = 0; round < 30'000; ++round) {
    const Kind kind{random() % 2 == 0, random() % 2 == 0, static_cast<int>(random() % 3), random() % 4 * 8,
                    0};
    const Bytes data = random_bytes(random, random() % 300);
    Packet whole = packet(kind, data, 0, data.size(), data.size(), 0);
    for (int i = 0; i < 3; ++i) whole.bytes[random() % whole.bytes.size()] = static_cast<uint8_t>(random());
    whole.bytes.resize(14 + random() % (whole.bytes.size() - 13));
    Frame frame = frame_of(whole.bytes);
    const uint8_t types[] = {0, 1, 3, 4, 5, 0x81, 0x84, 0xff};
    frame.offload = Offload{1,
                            types[random() % 8],
                            static_cast<uint16_t>(random()),
                            static_cast<uint16_t>(random() % 200),
                            static_cast<uint16_t>(random() % 3 ? whole.transport : random()),
                            static_cast<uint16_t>(random() % 3 ? (kind.udp ? 6 : 16) : random())};
    bool well_formed = false;
    divided(frame, well_formed);
  }
}
