#include "switch/account_names.h"

#include <charconv>

#include "switch/small_file.h"

namespace ecdock::vde {

namespace {

std::optional<uint32_t> number(std::string_view text) {
  uint32_t value = 0;
  const auto [stopped, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failure != std::errc() || stopped != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

AccountNames AccountNames::read(const char* path) {
  const auto text = read_small_file(path);
  return text.ok() ? parse(text.value()) : AccountNames();
}

// passwd(5), group(5): the name comes first, and its number third.
AccountNames AccountNames::parse(std::string_view text) {
  AccountNames names;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    const size_t first = line.find(':');
    const size_t second = first == std::string_view::npos ? first : line.find(':', first + 1);
    if (second == std::string_view::npos) continue;
    const std::string_view rest = line.substr(second + 1);
    const auto id = number(rest.substr(0, rest.find(':')));
    if (id) names.by_name_.emplace(line.substr(0, first), *id);
  }
  return names;
}

std::optional<uint32_t> AccountNames::id_of(std::string_view name) const {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? number(name) : std::optional(found->second);
}

std::string AccountNames::name_of(uint32_t id) const {
  for (const auto& [name, other] : by_name_) {
    if (other == id) return name;
  }
  return std::to_string(id);
}

}  // namespace ecdock::vde
