#include "netlink/mac.h"

#include <charconv>
#include <cstdio>

namespace ecdock::netlink {

std::optional<Mac> parse_mac(std::string_view text) {
  constexpr size_t kLength = 6 * 3 - 1;
  if (text.size() != kLength) return std::nullopt;
  Mac mac;
  for (size_t i = 0; i < mac.size(); ++i) {
    const char* start = text.data() + i * 3;
    const auto [end, error] = std::from_chars(start, start + 2, mac[i], 16);
    if (error != std::errc() || end != start + 2) return std::nullopt;
    if (i + 1 < mac.size() && start[2] != ':') return std::nullopt;
  }
  return mac;
}

std::string format_mac(const uint8_t* bytes) {
  char text[18];
  std::snprintf(text, sizeof text, "%02x:%02x:%02x:%02x:%02x:%02x", bytes[0], bytes[1], bytes[2], bytes[3],
                bytes[4], bytes[5]);
  return text;
}

}  // namespace ecdock::netlink
