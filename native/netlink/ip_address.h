#pragma once

#include <netinet/in.h>

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ecdock::netlink {

// An IPv4 or IPv6 address in network byte order.
struct IpAddress {
  uint8_t family = 0;  // AF_INET or AF_INET6
  std::array<uint8_t, 16> bytes{};

  size_t size() const { return family == AF_INET6 ? 16 : 4; }
  bool operator==(const IpAddress&) const = default;
};

std::optional<IpAddress> parse_ip_address(std::string_view text);
std::string format_ip_address(const IpAddress& address);

}  // namespace ecdock::netlink
