#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>

#include "switch/frame.h"

namespace ecdock::vde {

// Does in software what a frame's Offload says that is left to do: divides a segment of TCP (TSO) or UDP
// (USO) into the frames of which it stands, and fills in checksums. IPv4 and IPv6 with extension headers,
// with and without VLAN tags. The frame itself stays as it is, and what it says of itself is not trusted.
//
//     Segmenter segments(frame);
//     while (const auto segment = segments.next()) send(segment->head, segment->body);
//     if (!segments.well_formed()) …
class Segmenter {
 public:
  // A frame in two parts: the head is the segmenter's and holds until the next call; the body is in the
  // frame.
  struct Segment {
    std::span<const uint8_t> head;
    std::span<const uint8_t> body;
  };

  explicit Segmenter(const Frame& frame);

  // Nothing after the last one; at once when the frame contradicts its Offload.
  std::optional<Segment> next();

  bool well_formed() const { return well_formed_; }

 private:
  enum class Work { nothing, checksum, tcp, udp };

  bool locate();  // finds the headers; false when they are not what they should be
  bool locate_network();
  Segment finish_checksum();
  Segment finish_segment();

  // Headers beyond that are no ones of today.
  static constexpr size_t kMaxHead = 512;
  // As many as the smallest segments of TCP need; more would be an attack.
  static constexpr size_t kMaxSegments = 2048;

  const Frame& frame_;
  Work work_ = Work::nothing;
  bool ipv6_ = false;
  bool well_formed_ = true;
  size_t network_ = 0;    // where the IP header begins
  size_t transport_ = 0;  // where the TCP or UDP header begins
  size_t payload_ = 0;    // where the payload begins
  size_t at_ = 0;         // where the next segment's payload begins
  size_t index_ = 0;      // of the next segment
  std::array<uint8_t, kMaxHead> head_;
};

}  // namespace ecdock::vde
