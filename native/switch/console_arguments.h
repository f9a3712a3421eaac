#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>

namespace ecdock::vde {

// The arguments of console commands, as vde_switch reads them: a number that is missing, or none, is 0.

std::string_view trimmed(std::string_view text);

// The number with which the text begins, moved past it; nothing when there is none.
std::optional<int64_t> take_number(std::string_view& text);

int64_t console_number(std::string_view text);

// Two numbers; nothing when one is missing.
std::optional<std::pair<int64_t, int64_t>> console_numbers(std::string_view text);

// Whether it can be the number of a port or VLAN from 0 to `most`.
inline bool in_range(int64_t number, int64_t most) { return number >= 0 && number <= most; }

}  // namespace ecdock::vde
