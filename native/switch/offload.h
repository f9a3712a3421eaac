#pragma once

#include <cstdint>

namespace ecdock::vde {

// What the kernel leaves undone in a frame that it hands to a tap with IFF_VNET_HDR: a checksum, the division
// into segments, or both. It is struct virtio_net_hdr of linux/virtio_net.h, in the byte order of the host;
// that header is no C++, and older ones lack USO.
struct Offload {
  static constexpr uint8_t kNeedsChecksum = 1;  // VIRTIO_NET_HDR_F_NEEDS_CSUM

  // VIRTIO_NET_HDR_GSO_…
  static constexpr uint8_t kNone = 0;
  static constexpr uint8_t kTcp4 = 1;
  static constexpr uint8_t kTcp6 = 4;
  static constexpr uint8_t kUdp = 5;
  static constexpr uint8_t kEcn = 0x80;  // besides kTcp4 or kTcp6

  uint8_t flags = 0;
  uint8_t segmentation = kNone;
  uint16_t header_size = 0;
  uint16_t segment_size = 0;
  uint16_t checksum_start = 0;   // from the frame's first byte
  uint16_t checksum_offset = 0;  // of the field, from there

  bool needs_checksum() const { return flags & kNeedsChecksum; }
  bool divided() const { return segmentation == kNone; }
};

static_assert(sizeof(Offload) == 10);

}  // namespace ecdock::vde
