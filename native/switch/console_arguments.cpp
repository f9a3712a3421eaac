#include "switch/console_arguments.h"

#include <charconv>

namespace ecdock::vde {

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlank = " \t\r";
  const size_t begin = text.find_first_not_of(kBlank);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlank) - begin + 1);
}

std::optional<int64_t> take_number(std::string_view& text) {
  text = trimmed(text);
  int64_t number = 0;
  const auto [stopped, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failure != std::errc()) return std::nullopt;
  text.remove_prefix(static_cast<size_t>(stopped - text.data()));
  return number;
}

int64_t console_number(std::string_view text) { return take_number(text).value_or(0); }

std::optional<std::pair<int64_t, int64_t>> console_numbers(std::string_view text) {
  const auto first = take_number(text);
  const auto second = take_number(text);
  if (!first || !second) return std::nullopt;
  return std::pair(*first, *second);
}

}  // namespace ecdock::vde
