#pragma once

#include <cstddef>
#include <cstdint>

namespace ecdock::vde {

// Where the fields of headers are that are read or written here, in bytes from the header's first one
// (RFC 791, 8200, 9293, 768).

inline constexpr uint16_t kEtherTypeIpv4 = 0x0800;
inline constexpr uint16_t kEtherTypeIpv6 = 0x86dd;
inline constexpr uint16_t kEtherType8021q = 0x8100;
inline constexpr uint16_t kEtherType8021ad = 0x88a8;

inline constexpr uint8_t kProtocolTcp = 6;

inline constexpr size_t kIpv4Header = 20;
inline constexpr size_t kIpv4Length = 2;
inline constexpr size_t kIpv4Identification = 4;
inline constexpr size_t kIpv4Fragment = 6;
inline constexpr size_t kIpv4Protocol = 9;
inline constexpr size_t kIpv4Checksum = 10;
inline constexpr size_t kIpv4Addresses = 12;

inline constexpr size_t kIpv6Header = 40;
inline constexpr size_t kIpv6Length = 4;
inline constexpr size_t kIpv6NextHeader = 6;
inline constexpr size_t kIpv6Addresses = 8;

inline constexpr size_t kTcpHeader = 20;
inline constexpr size_t kTcpSequence = 4;
inline constexpr size_t kTcpAcknowledgment = 8;
inline constexpr size_t kTcpDataOffset = 12;
inline constexpr size_t kTcpFlags = 13;
inline constexpr size_t kTcpWindow = 14;
inline constexpr size_t kTcpChecksum = 16;
inline constexpr size_t kTcpUrgent = 18;
inline constexpr uint8_t kTcpFin = 0x01;
inline constexpr uint8_t kTcpPush = 0x08;
inline constexpr uint8_t kTcpAck = 0x10;
inline constexpr uint8_t kTcpCwr = 0x80;

inline constexpr size_t kUdpHeader = 8;
inline constexpr size_t kUdpLength = 4;
inline constexpr size_t kUdpChecksum = 6;

}  // namespace ecdock::vde
