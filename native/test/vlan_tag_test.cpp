#include "switch/vlan_tag.h"

#include <doctest/doctest.h>

#include <vector>

using namespace ecdock::vde;

TEST_CASE("a tag comes and goes, and what was said of the frame goes with it") {
  std::vector<uint8_t> buffer(kHeadroom + 60);
  for (size_t i = 0; i < 60; ++i) buffer[kHeadroom + i] = static_cast<uint8_t>(i);
  const std::vector<uint8_t> untagged(buffer.begin() + kHeadroom, buffer.end());
  Frame frame{buffer.data() + kHeadroom, 60, {}};
  frame.offload.flags = Offload::kNeedsChecksum;
  frame.offload.checksum_start = 34;
  CHECK_FALSE(vlan_of(frame).has_value());

  push_vlan_tag(frame, 1234);
  CHECK(frame.size == 64);
  CHECK(vlan_of(frame) == 1234);
  CHECK(frame.offload.checksum_start == 38);
  CHECK(std::equal(frame.bytes, frame.bytes + 12, untagged.begin()));
  CHECK(std::equal(frame.bytes + 16, frame.bytes + 64, untagged.begin() + 12));

  pop_vlan_tag(frame);
  CHECK(frame.offload.checksum_start == 34);
  CHECK(std::vector<uint8_t>(frame.bytes, frame.bytes + frame.size) == untagged);
}

TEST_CASE("a frame that ends within its tag has none") {
  std::vector<uint8_t> bytes(17);
  bytes[12] = 0x81;
  CHECK_FALSE(vlan_of(Frame{bytes.data(), bytes.size(), {}}).has_value());
  bytes.resize(18);
  bytes[14] = 0xff;
  bytes[15] = 0x01;
  CHECK(vlan_of(Frame{bytes.data(), bytes.size(), {}}) == 0xf01);
}
