#include "switch/coalescer.h"

#include <algorithm>
#include <cstring>

#include "switch/checksum.h"
#include "switch/internet_headers.h"

namespace ecdock::vde {

namespace {

constexpr size_t kMostBytes = 65535;  // of an IP packet

size_t transport_of(bool ipv6) { return kEthernetHeader + (ipv6 ? kIpv6Header : kIpv4Header); }

// Of the addresses, the protocol, and the length of what is behind the IP header.
uint16_t pseudo_header_sum(const uint8_t* network, bool ipv6, size_t length) {
  const auto addresses =
      ipv6 ? std::span(network + kIpv6Addresses, 32) : std::span(network + kIpv4Addresses, 8);
  return checksum_add(checksum_add(checksum_sum(addresses), kProtocolTcp), static_cast<uint16_t>(length));
}

bool equal(const uint8_t* a, const uint8_t* b, size_t begin, size_t end) {
  return std::memcmp(a + begin, b + begin, end - begin) == 0;
}

}  // namespace

size_t Coalescer::join(std::span<const Frame> frames) {
  parts_.clear();
  Segment first;
  if (frames.size() < 2 || !parse(frames[0], first) || first.push) return std::min<size_t>(frames.size(), 1);
  parts_ = {{head_.data(), sizeof(Offload) + first.headers},
            {frames[0].bytes + first.headers, first.payload}};
  const size_t most = std::min(frames.size(), kMostFrames);
  size_t payload = first.payload;
  size_t count = 1;
  Segment next;
  // A shorter one, and one with PSH, can only be the last.
  for (; count < most && !next.push && parts_.back().iov_len == first.payload; ++count) {
    const Frame& frame = frames[count];
    if (!continues(frames[0], frame, first) || !parse(frame, next)) break;
    const bool follows =
        next.sequence == static_cast<uint32_t>(first.sequence + payload) &&
        (first.ipv6 || next.identification == static_cast<uint16_t>(first.identification + count));
    if (!follows || next.payload > first.payload) break;
    if (first.headers - kEthernetHeader + payload + next.payload > kMostBytes) break;
    parts_.push_back({frame.bytes + next.headers, next.payload});
    payload += next.payload;
  }
  if (count > 1) write_head(frames[0], frames[count - 1], first, payload);
  return count;
}

bool Coalescer::parse(const Frame& frame, Segment& segment) {
  if (!frame.plain() || frame.size < transport_of(false) + kTcpHeader) return false;
  if (!parse_network(frame, segment)) return false;
  const size_t at = transport_of(segment.ipv6);
  if (at + kTcpHeader > frame.size) return false;
  const uint8_t* const tcp = frame.bytes + at;
  const size_t header = size_t{tcp[kTcpDataOffset]} >> 4 << 2;
  segment.headers = at + header;
  if (header < kTcpHeader || segment.headers >= frame.size) return false;
  segment.payload = frame.size - segment.headers;
  segment.push = tcp[kTcpFlags] & kTcpPush;
  if ((tcp[kTcpFlags] & ~kTcpPush) != kTcpAck) return false;
  segment.sequence = read_be32(tcp + kTcpSequence);
  const uint16_t pseudo = pseudo_header_sum(frame.bytes + kEthernetHeader, segment.ipv6, frame.size - at);
  return checksum_add(pseudo, checksum_sum({tcp, frame.size - at})) == 0xffff;
}

// Padding behind the packet would be lost, therefore its length has to be the frame's.
bool Coalescer::parse_network(const Frame& frame, Segment& segment) {
  const uint8_t* const network = frame.bytes + kEthernetHeader;
  const uint16_t type = read_be16(network - 2);
  const size_t size = frame.size - kEthernetHeader;
  segment.ipv6 = type == kEtherTypeIpv6;
  if (segment.ipv6) {
    return size > kIpv6Header && network[0] >> 4 == 6 && network[kIpv6NextHeader] == kProtocolTcp &&
           read_be16(network + kIpv6Length) == size - kIpv6Header;
  }
  segment.identification = read_be16(network + kIpv4Identification);
  // Of the field with the offset of a fragment only "do not fragment" may be set.
  return type == kEtherTypeIpv4 && network[0] == 0x45 && network[kIpv4Protocol] == kProtocolTcp &&
         read_be16(network + kIpv4Length) == size && (read_be16(network + kIpv4Fragment) & ~0x4000) == 0 &&
         checksum_sum({network, kIpv4Header}) == 0xffff;
}

// Whether all is equal that is not different in each segment.
bool Coalescer::continues(const Frame& first, const Frame& next, const Segment& segment) {
  if (next.size <= segment.headers) return false;
  const size_t transport = transport_of(segment.ipv6);
  const uint8_t* const a = first.bytes;
  const uint8_t* const b = next.bytes;
  if (!equal(a, b, 0, kEthernetHeader + kIpv4Length)) return false;
  if (segment.ipv6) {
    if (!equal(a, b, kEthernetHeader, kEthernetHeader + kIpv6Length)) return false;
    if (!equal(a, b, kEthernetHeader + kIpv6NextHeader, transport)) return false;
  } else {
    if (!equal(a, b, kEthernetHeader + kIpv4Fragment, kEthernetHeader + kIpv4Checksum)) return false;
    if (!equal(a, b, kEthernetHeader + kIpv4Addresses, transport)) return false;
  }
  return equal(a, b, transport, transport + kTcpSequence) &&
         equal(a, b, transport + kTcpAcknowledgment, transport + kTcpFlags) &&
         equal(a, b, transport + kTcpWindow, transport + kTcpChecksum) &&
         equal(a, b, transport + kTcpUrgent, segment.headers);
}

void Coalescer::write_head(const Frame& first, const Frame& last, const Segment& segment, size_t payload) {
  const size_t transport = transport_of(segment.ipv6);
  const size_t length = segment.headers - transport + payload;
  Offload offload;
  offload.flags = Offload::kNeedsChecksum;
  offload.segmentation = segment.ipv6 ? Offload::kTcp6 : Offload::kTcp4;
  offload.header_size = static_cast<uint16_t>(segment.headers);
  offload.segment_size = static_cast<uint16_t>(segment.payload);
  offload.checksum_start = static_cast<uint16_t>(transport);
  offload.checksum_offset = kTcpChecksum;
  std::memcpy(head_.data(), &offload, sizeof offload);

  uint8_t* const frame = head_.data() + sizeof offload;
  std::copy_n(first.bytes, segment.headers, frame);
  uint8_t* const network = frame + kEthernetHeader;
  if (segment.ipv6) {
    write_be16(network + kIpv6Length, static_cast<uint16_t>(length));
  } else {
    write_be16(network + kIpv4Length, static_cast<uint16_t>(kIpv4Header + length));
    write_be16(network + kIpv4Checksum, 0);
    write_be16(network + kIpv4Checksum, static_cast<uint16_t>(~checksum_sum({network, kIpv4Header})));
  }
  frame[transport + kTcpFlags] = last.bytes[transport + kTcpFlags];
  // The receiver adds the rest, or knows that there is no need to.
  write_be16(frame + transport + kTcpChecksum, pseudo_header_sum(network, segment.ipv6, length));
}

}  // namespace ecdock::vde
