#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ecdock::netlink {

using Mac = std::array<uint8_t, 6>;

// Six bytes in hexadecimal between colons.
std::optional<Mac> parse_mac(std::string_view text);
std::string format_mac(const uint8_t* bytes);

}  // namespace ecdock::netlink
