#pragma once

#include <sys/uio.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "switch/frame.h"

namespace ecdock::vde {

// The contrary of the Segmenter, as Linux's generic receive offload does it (net/ipv4/tcp_offload.c): frames
// that are successive segments of one TCP stream become one segment, from which the very same frames can be
// made again. What is no such frame, or has a wrong checksum, is left as it is. IPv4 without options and IPv6
// without extension headers, without VLAN tags.
//
//     Coalescer coalescer;
//     const size_t count = coalescer.join(frames);
//     if (count > 1) … coalescer.parts() stand for the first `count` frames
class Coalescer {
 public:
  // How many of the frames, from the first on, are one segment: at least 1, and of none, 0.
  size_t join(std::span<const Frame> frames);

  // The segment with its Offload before it, when it stands for more than one frame. Its headers are the
  // coalescer's, its payload is the frames'; both hold until the next call.
  std::span<const iovec> parts() const { return parts_; }

 private:
  // Of a frame that can be joined with others.
  struct Segment {
    bool ipv6 = false;
    bool push = false;
    size_t headers = 0;
    size_t payload = 0;
    uint32_t sequence = 0;
    uint16_t identification = 0;
  };

  static bool parse(const Frame& frame, Segment& segment);
  static bool parse_network(const Frame& frame, Segment& segment);
  static bool continues(const Frame& first, const Frame& next, const Segment& segment);
  void write_head(const Frame& first, const Frame& last, const Segment& segment, size_t payload);

  static constexpr size_t kMostFrames = 64;
  // Ethernet, IPv6, and the longest that TCP's can be.
  static constexpr size_t kMostHeaders = kEthernetHeader + 40 + 60;

  std::array<uint8_t, sizeof(Offload) + kMostHeaders> head_;
  std::vector<iovec> parts_;
};

}  // namespace ecdock::vde
