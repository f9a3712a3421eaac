#include "switch/coalescer.h"

#include <doctest/doctest.h>

#include <cstring>
#include <functional>

#include "switch/internet_headers.h"
#include "test/packets.h"

using namespace ecdock::vde;

namespace {

constexpr size_t kSegment = 1400;

// The segments of one stream, as their sender puts them on the wire.
std::vector<Packet> stream(const Kind& kind, const Bytes& data) {
  std::vector<Packet> packets;
  for (size_t begin = 0; begin < data.size(); begin += kSegment) {
    const size_t end = std::min(begin + kSegment, data.size());
    const auto index = static_cast<uint16_t>(packets.size());
    finish(kind, packets.emplace_back(packet(kind, data, begin, end, data.size(), index)));
  }
  return packets;
}

std::vector<Frame> frames_of(std::vector<Packet>& packets) {
  std::vector<Frame> frames;
  for (Packet& packet : packets) frames.push_back(frame_of(packet.bytes));
  return frames;
}

// What a receiver makes of the segment that stands for several frames.
std::vector<Bytes> divided_again(const Coalescer& coalescer) {
  Bytes joined;
  for (const iovec& part : coalescer.parts()) {
    const auto* const bytes = static_cast<const uint8_t*>(part.iov_base);
    joined.insert(joined.end(), bytes, bytes + part.iov_len);
  }
  Frame frame{joined.data() + sizeof(Offload), joined.size() - sizeof(Offload), {}};
  std::memcpy(&frame.offload, joined.data(), sizeof(Offload));
  bool well_formed = false;
  auto all = divided(frame, well_formed);
  REQUIRE(well_formed);
  return all;
}

// How many of three segments are joined when the second one was changed, and is right in itself.
size_t joined_after(const Kind& kind, const std::function<void(Packet&)>& change) {
  std::mt19937 random(3);
  auto packets = stream(kind, random_bytes(random, 3 * kSegment));
  change(packets[1]);
  if (!kind.ipv6) {
    uint8_t* const network = packets[1].bytes.data() + packets[1].network;
    write_be16(network + kIpv4Checksum, 0);
    write_be16(network + kIpv4Checksum, static_cast<uint16_t>(~plain_sum(network, kIpv4Header)));
  }
  Packet& changed = packets[1];
  write_be16(changed.bytes.data() + checksum_field(kind, changed), 0);
  finish(kind, changed);
  Coalescer coalescer;
  return coalescer.join(frames_of(packets));
}

const Kind kKinds[] = {
    {.ipv6 = false, .tcp_options = 12, .marked = false},
    {.ipv6 = true, .tcp_options = 12, .marked = false},
    {.ipv6 = false, .marked = false},
};

}  // namespace

TEST_CASE("from joined segments the very same ones are made again") {
  std::mt19937 random(1);
  for (const Kind& kind : kKinds) {
    for (const size_t size : {2 * kSegment, 2 * kSegment - 1, kSegment + 1, 40 * kSegment + 7}) {
      auto packets = stream(kind, random_bytes(random, size));
      Coalescer coalescer;
      REQUIRE(coalescer.join(frames_of(packets)) == packets.size());
      const auto again = divided_again(coalescer);
      REQUIRE(again.size() == packets.size());
      for (size_t i = 0; i < again.size(); ++i) CHECK(again[i] == packets[i].bytes);
    }
  }
}

TEST_CASE("what the sender wants to be delivered ends a segment, and keeps its mark") {
  std::mt19937 random(2);
  for (const Kind& kind : kKinds) {
    auto packets = stream(kind, random_bytes(random, 4 * kSegment));
    packets[2].bytes[packets[2].transport + kTcpFlags] |= kTcpPush;
    write_be16(packets[2].bytes.data() + checksum_field(kind, packets[2]), 0);
    finish(kind, packets[2]);
    Coalescer coalescer;
    REQUIRE(coalescer.join(frames_of(packets)) == 3);
    const auto again = divided_again(coalescer);
    for (size_t i = 0; i < 3; ++i) CHECK(again[i] == packets[i].bytes);
  }
}

TEST_CASE("a segment is no longer than an IP packet can be") {
  std::mt19937 random(4);
  for (const Kind& kind : kKinds) {
    auto packets = stream(kind, random_bytes(random, 60 * kSegment));
    Coalescer coalescer;
    const size_t joined = coalescer.join(frames_of(packets));
    CHECK(joined == (65535 - 60 - kind.tcp_options) / kSegment);
    CHECK(divided_again(coalescer).back() == packets[joined - 1].bytes);
  }
}

TEST_CASE("frames that are not the next segment of the same stream stay apart") {
  for (const Kind& kind : kKinds) {
    CHECK(joined_after(kind, [](Packet&) {}) == 3);
    const auto changing = [&](std::function<size_t(const Packet&)> where) {
      return joined_after(kind, [&](Packet& packet) { packet.bytes[where(packet)] ^= 1; });
    };
    CHECK(changing([](const Packet&) { return size_t{5}; }) == 1);                     // to whom
    CHECK(changing([](const Packet&) { return size_t{11}; }) == 1);                    // from whom
    CHECK(changing([](const Packet& packet) { return packet.network + 1; }) == 1);     // traffic class
    CHECK(changing([](const Packet& packet) { return packet.network + 8; }) == 1);     // hops, or an address
    CHECK(changing([](const Packet& packet) { return packet.network + 15; }) == 1);    // an address
    CHECK(changing([](const Packet& packet) { return packet.transport + 1; }) == 1);   // a port
    CHECK(changing([](const Packet& packet) { return packet.transport + 7; }) == 1);   // sequence number
    CHECK(changing([](const Packet& packet) { return packet.transport + 11; }) == 1);  // acknowledgment
    CHECK(changing([](const Packet& packet) { return packet.transport + 13; }) == 1);  // FIN
    CHECK(changing([](const Packet& packet) { return packet.transport + 15; }) == 1);  // window
    CHECK(changing([](const Packet& packet) { return packet.transport + 19; }) == 1);  // urgent pointer
    if (kind.tcp_options > 0) {
      CHECK(changing([](const Packet& packet) { return packet.transport + 31; }) == 1);  // an option
    }
    if (!kind.ipv6) {
      CHECK(changing([](const Packet& packet) { return packet.network + 5; }) == 1);  // identification
      CHECK(changing([](const Packet& packet) { return packet.network + 7; }) == 1);  // a fragment
    }
  }
}

TEST_CASE("what cannot be joined is left as it is") {
  std::mt19937 random(5);
  const auto joined = [](std::vector<Packet> packets) {
    Coalescer coalescer;
    return coalescer.join(frames_of(packets));
  };
  const Kind tcp = kKinds[0];
  auto packets = stream(tcp, random_bytes(random, 3 * kSegment));
  CHECK(joined({}) == 0);
  CHECK(joined({packets[0]}) == 1);
  SUBCASE("a wrong checksum is not made right") {
    packets[1].bytes.back() ^= 1;
    CHECK(joined(packets) == 1);
  }
  SUBCASE("the wrong checksum of an IP header neither") {
    packets[1].bytes[packets[1].network + kIpv4Checksum] ^= 1;
    CHECK(joined(packets) == 1);
  }
  SUBCASE("padding") {
    packets[1].bytes.push_back(0);
    CHECK(joined(packets) == 1);
  }
  SUBCASE("a longer one than the first") {
    CHECK(joined({packets[0], packets[1]}) == 2);
    packets = stream(tcp, random_bytes(random, 2 * kSegment));
    packets[0].bytes.resize(packets[0].bytes.size() - 1);
    CHECK(joined(packets) == 1);
  }
  SUBCASE("what is cut off anywhere") {
    for (size_t size = 14; size < packets[1].bytes.size(); size += 3) {
      auto cut = packets;
      cut[1].bytes.resize(size);
      CHECK(joined(cut) == 1);
      CHECK(joined({cut[1], packets[0]}) == 1);
    }
  }
  SUBCASE("UDP, VLAN tags, options of IP") {
    for (const Kind& kind :
         {Kind{.udp = true}, Kind{.tags = 1, .marked = false}, Kind{.extensions = 8, .marked = false},
          Kind{.ipv6 = true, .extensions = 8, .marked = false}}) {
      CHECK(joined(stream(kind, random_bytes(random, 2 * kSegment))) == 1);
    }
  }
  SUBCASE("what the kernel has not finished") {
    auto frames = frames_of(packets);
    frames[1].offload.flags = Offload::kNeedsChecksum;
    CHECK(Coalescer().join(frames) == 1);
  }
}
