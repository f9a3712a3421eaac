// Frames that nobody trusts, against what divides them, tags them, and sums them up.
#include <doctest/doctest.h>

#include <memory>

#include "switch/checksum.h"
#include "switch/coalescer.h"
#include "switch/segmenter.h"
#include "switch/vlan_tag.h"
#include "test/fuzz/hostile_frame.h"
#include "test/packets.h"

using namespace ecdock::fuzz;
using namespace ecdock::vde;

namespace {

// A frame in a buffer that ends where it ends, so that a read beyond is noticed.
struct Exact {
  explicit Exact(const HostileFrame& hostile)
      : buffer(new uint8_t[kHeadroom + hostile.bytes.size()]),
        frame{buffer.get() + kHeadroom, hostile.bytes.size(), hostile.offload} {
    std::copy(hostile.bytes.begin(), hostile.bytes.end(), frame.bytes);
  }

  std::unique_ptr<uint8_t[]> buffer;
  Frame frame;
};

// Of a segment's IP header, which the segmenter has written.
void check_ip_header(const Bytes& segment) {
  size_t network = kEthernetHeader;
  while (read_be16(segment.data() + network - 2) == 0x8100 ||
         read_be16(segment.data() + network - 2) == 0x88a8) {
    network += kVlanTag;
  }
  const uint8_t* const header = segment.data() + network;
  if (header[0] >> 4 == 6) {
    CHECK(read_be16(header + 4) == static_cast<uint16_t>(segment.size() - network - 40));
    return;
  }
  CHECK(read_be16(header + 2) == static_cast<uint16_t>(segment.size() - network));
  CHECK(checksum_sum({header, (header[0] & 15U) * 4}) == 0xffff);
}

}  // namespace

TEST_CASE("fuzz: whatever a frame says of itself, it is divided as it is, or not at all") {
  repeat("segments", 6000, [](Random& random) {
    const Exact exact(hostile_frame(random, random.one_in(8) ? 66'000 : 3000));
    const Frame& frame = exact.frame;
    if (frame.size < kEthernetHeader) return;
    const Bytes before(frame.bytes, frame.bytes + frame.size);
    Segmenter segments(frame);
    Bytes bodies;
    size_t count = 0;
    size_t head = 0;
    while (const auto segment = segments.next()) {
      REQUIRE(++count <= 2048);
      head = segment->head.size();
      bodies.insert(bodies.end(), segment->body.begin(), segment->body.end());
      if (frame.offload.divided()) continue;
      REQUIRE(segment->body.size() >= 1);
      REQUIRE(segment->body.size() <= frame.offload.segment_size);
      Bytes whole(segment->head.begin(), segment->head.end());
      whole.insert(whole.end(), segment->body.begin(), segment->body.end());
      check_ip_header(whole);
    }
    CHECK(Bytes(frame.bytes, frame.bytes + frame.size) == before);
    CHECK((count > 0) == segments.well_formed());
    if (count > 0) CHECK(Bytes(before.begin() + static_cast<std::ptrdiff_t>(head), before.end()) == bodies);
  });
}

namespace {

// A stream of TCP as a sender would send it, some of whose frames have been tampered with.
std::vector<Bytes> tampered_stream(Random& random) {
  const Kind kind{random.one_in(2),    false, random.one_in(8) ? 1 : 0, size_t{random.one_in(8) ? 8U : 0U},
                  random.below(4) * 4, false};
  const Bytes data = random.bytes(1 + random.length(9000));
  const size_t segment = 1 + random.below(1448);
  std::vector<Bytes> frames;
  for (size_t begin = 0; begin < data.size() && frames.size() < 40; begin += segment) {
    const size_t end = std::min(begin + segment, data.size());
    Packet made = packet(kind, data, begin, end, data.size(), static_cast<uint16_t>(frames.size()));
    if (random.one_in(20)) mutate(random, made.bytes, kMaxFrame);
    if (made.bytes.size() >= made.payload && !random.one_in(30)) finish(kind, made);
    if (made.bytes.size() >= kEthernetHeader) frames.push_back(made.bytes);
  }
  return frames;
}

// What stands for nothing may be written as either of two.
Bytes without_checksum(Bytes frame, size_t at) {
  if (read_be16(frame.data() + at) == 0xffff) write_be16(frame.data() + at, 0);
  return frame;
}

}  // namespace

TEST_CASE("fuzz: what is joined can be divided into the very same frames") {
  Coalescer coalescer;
  size_t joined_ones = 0;
  repeat("joined", 1500, [&](Random& random) {
    std::vector<Bytes> bytes = tampered_stream(random);
    std::vector<Frame> frames;
    for (Bytes& each : bytes) frames.push_back(frame_of(each));
    std::span<const Frame> rest = frames;
    while (!rest.empty()) {
      const size_t count = coalescer.join(rest);
      REQUIRE(count >= 1);
      REQUIRE(count <= rest.size());
      if (count > 1) {
        ++joined_ones;
        Bytes whole;
        for (const iovec& part : coalescer.parts()) {
          const auto* const begin = static_cast<const uint8_t*>(part.iov_base);
          whole.insert(whole.end(), begin, begin + part.iov_len);
        }
        Frame segment{whole.data() + sizeof(Offload), whole.size() - sizeof(Offload), {}};
        std::memcpy(&segment.offload, whole.data(), sizeof(Offload));
        bool well_formed = false;
        const auto again = divided(segment, well_formed);
        CHECK(well_formed);
        REQUIRE(again.size() == count);
        const size_t checksum = segment.offload.checksum_start + size_t{16};
        for (size_t i = 0; i < count; ++i) {
          const Bytes before(rest[i].bytes, rest[i].bytes + rest[i].size);
          CHECK(without_checksum(again[i], checksum) == without_checksum(before, checksum));
        }
      }
      rest = rest.subspan(count);
    }
  });
  CHECK(joined_ones > 0);
}

TEST_CASE("fuzz: a VLAN tag that is put on and taken off leaves any frame as it was") {
  repeat("tags", 6000, [](Random& random) {
    Exact exact(hostile_frame(random, 200));
    Frame& frame = exact.frame;
    if (frame.size < kEthernetHeader) return;
    const Bytes before(frame.bytes, frame.bytes + frame.size);
    const Offload offload = frame.offload;
    const auto vlan = static_cast<uint16_t>(random.below(kVlanIds));
    push_vlan_tag(frame, vlan);
    CHECK(vlan_of(frame) == vlan);
    pop_vlan_tag(frame);
    CHECK(Bytes(frame.bytes, frame.bytes + frame.size) == before);
    CHECK(std::memcmp(&frame.offload, &offload, sizeof offload) == 0);
    if (vlan_of(frame)) pop_vlan_tag(frame);
    CHECK(frame.size >= kEthernetHeader);
  });
}
