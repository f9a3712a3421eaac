#include "netlink/ip_address.h"

#include <arpa/inet.h>

namespace ecdock::netlink {

std::optional<IpAddress> parse_ip_address(std::string_view text) {
  const std::string terminated(text);
  IpAddress address;
  for (const uint8_t family : {AF_INET, AF_INET6}) {
    if (::inet_pton(family, terminated.c_str(), address.bytes.data()) == 1) {
      address.family = family;
      return address;
    }
  }
  return std::nullopt;
}

std::string format_ip_address(const IpAddress& address) {
  char text[INET6_ADDRSTRLEN];
  if (::inet_ntop(address.family, address.bytes.data(), text, sizeof text) == nullptr) return {};
  return text;
}

}  // namespace ecdock::netlink
