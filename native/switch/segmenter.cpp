#include "switch/segmenter.h"

#include <algorithm>

#include "switch/checksum.h"
#include "switch/internet_headers.h"

namespace ecdock::vde {

namespace {

// Zero means in UDP that there is none; both stand for the same sum.
uint16_t finished(uint16_t sum) {
  const auto checksum = static_cast<uint16_t>(~sum);
  return checksum == 0 ? 0xffff : checksum;
}

}  // namespace

Segmenter::Segmenter(const Frame& frame) : frame_(frame) {
  well_formed_ = locate();
  at_ = payload_;
}

bool Segmenter::locate() {
  const Offload& offload = frame_.offload;
  if (frame_.plain()) return true;
  // The kernel never leaves a segment to be divided without its checksum.
  if (!offload.needs_checksum()) return false;
  transport_ = offload.checksum_start;
  const size_t checksum_end = transport_ + offload.checksum_offset + 2;
  if (transport_ < kEthernetHeader || checksum_end > frame_.size || checksum_end > kMaxHead) return false;
  if (offload.divided()) {
    work_ = Work::checksum;
    payload_ = checksum_end;
    return true;
  }

  const int type = offload.segmentation & ~Offload::kEcn;
  const bool udp = type == Offload::kUdp;
  if (!udp && type != Offload::kTcp4 && type != Offload::kTcp6) return false;
  if (!locate_network()) return false;
  if (!udp && ipv6_ != (type == Offload::kTcp6)) return false;
  if (offload.checksum_offset != (udp ? kUdpChecksum : kTcpChecksum)) return false;
  if (transport_ + (udp ? kUdpHeader : kTcpHeader) > frame_.size) return false;
  const size_t header = udp ? kUdpHeader : size_t{frame_.bytes[transport_ + kTcpDataOffset]} >> 4 << 2;
  if (!udp && header < kTcpHeader) return false;
  payload_ = transport_ + header;
  if (payload_ >= frame_.size || payload_ > kMaxHead || offload.segment_size == 0) return false;
  if (frame_.size - network_ > 65535 + kIpv6Header) return false;
  if ((frame_.size - payload_ - 1) / offload.segment_size + 1 > kMaxSegments) return false;
  work_ = udp ? Work::udp : Work::tcp;
  return true;
}

// Behind VLAN tags. What is between the IP header and the transport header, options and extensions, stays.
bool Segmenter::locate_network() {
  network_ = kEthernetHeader;
  uint16_t type = read_be16(frame_.bytes + network_ - 2);
  while ((type == kEtherType8021q || type == kEtherType8021ad) &&
         network_ + kVlanTag <= std::min(frame_.size, kMaxHead)) {
    network_ += kVlanTag;
    type = read_be16(frame_.bytes + network_ - 2);
  }
  if (type != kEtherTypeIpv4 && type != kEtherTypeIpv6) return false;
  ipv6_ = type == kEtherTypeIpv6;
  if (network_ + (ipv6_ ? kIpv6Header : kIpv4Header) > transport_) return false;
  const uint8_t first = frame_.bytes[network_];
  if (ipv6_) return first >> 4 == 6;
  return first >> 4 == 4 && network_ + (size_t{first} & 15) * 4 == transport_;
}

std::optional<Segmenter::Segment> Segmenter::next() {
  if (!well_formed_) return std::nullopt;
  switch (work_) {
    case Work::nothing:
      if (index_++ > 0) return std::nullopt;
      return Segment{{}, {frame_.bytes, frame_.size}};
    case Work::checksum:
      if (index_++ > 0) return std::nullopt;
      return finish_checksum();
    default:
      if (at_ == frame_.size) return std::nullopt;
      return finish_segment();
  }
}

// The field already holds the sum of the pseudo header.
Segmenter::Segment Segmenter::finish_checksum() {
  const uint16_t sum = checksum_sum({frame_.bytes + transport_, frame_.size - transport_});
  std::copy_n(frame_.bytes, payload_, head_.data());
  write_be16(head_.data() + payload_ - 2, finished(sum));
  return Segment{{head_.data(), payload_}, {frame_.bytes + payload_, frame_.size - payload_}};
}

Segmenter::Segment Segmenter::finish_segment() {
  const size_t size = std::min<size_t>(frame_.offload.segment_size, frame_.size - at_);
  const bool first = index_ == 0;
  const bool last = at_ + size == frame_.size;
  uint8_t* const network = head_.data() + network_;
  uint8_t* const transport = head_.data() + transport_;
  std::copy_n(frame_.bytes, payload_, head_.data());

  const size_t from_network = payload_ - network_ + size;
  if (ipv6_) {
    write_be16(network + kIpv6Length, static_cast<uint16_t>(from_network - kIpv6Header));
  } else {
    write_be16(network + kIpv4Length, static_cast<uint16_t>(from_network));
    const auto identification = static_cast<uint16_t>(read_be16(network + kIpv4Identification) + index_);
    write_be16(network + kIpv4Identification, identification);
    write_be16(network + kIpv4Checksum, 0);
    const uint16_t sum = checksum_sum({network, transport_ - network_});
    write_be16(network + kIpv4Checksum, static_cast<uint16_t>(~sum));
  }

  const size_t from_transport = payload_ - transport_ + size;
  size_t field = kTcpChecksum;
  if (work_ == Work::tcp) {
    const auto done = static_cast<uint32_t>(at_ - payload_);
    write_be32(transport + kTcpSequence, read_be32(transport + kTcpSequence) + done);
    if (!last) transport[kTcpFlags] &= static_cast<uint8_t>(~(kTcpFin | kTcpPush));
    if (!first) transport[kTcpFlags] &= static_cast<uint8_t>(~kTcpCwr);
  } else {
    write_be16(transport + kUdpLength, static_cast<uint16_t>(from_transport));
    field = kUdpChecksum;
  }
  // What stands in the field is the sum of the pseudo header for the undivided length. Its addresses are kept
  // so, which with a routing header are not those of the IP header.
  const auto whole = static_cast<uint16_t>(frame_.size - transport_);
  const uint16_t pseudo = checksum_add(checksum_subtract(read_be16(transport + field), whole),
                                       static_cast<uint16_t>(from_transport));
  write_be16(transport + field, pseudo);
  const uint16_t headers = checksum_sum({transport, payload_ - transport_});
  const uint16_t sum = checksum_add(headers, checksum_sum({frame_.bytes + at_, size}));
  write_be16(transport + field, finished(sum));

  const Segment segment{{head_.data(), payload_}, {frame_.bytes + at_, size}};
  at_ += size;
  ++index_;
  return segment;
}

}  // namespace ecdock::vde
