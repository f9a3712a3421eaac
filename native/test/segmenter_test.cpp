#include "switch/segmenter.h"

#include <doctest/doctest.h>

#include <random>
#include <string>
#include <vector>

#include "switch/checksum.h"
#include "test/packets.h"

using namespace ecdock::vde;

namespace {

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
