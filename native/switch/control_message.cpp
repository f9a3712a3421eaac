#include "switch/control_message.h"

#include <cerrno>
#include <charconv>

#include "errno_name.h"

namespace ecdock::vde {

namespace {

Error invalid(std::string message) { return Error{"control", EINVAL, std::move(message), {}}; }

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

bool printable(char c) { return c > 0x20 && c < 0x7f && c != '%'; }

std::optional<std::string> unescape(std::string_view text) {
  std::string value;
  for (size_t at = 0; at < text.size(); ++at) {
    if (printable(text[at])) {
      value += text[at];
      continue;
    }
    if (text[at] != '%' || text.size() - at < 3) return std::nullopt;
    const int high = hex_digit(text[at + 1]);
    const int low = hex_digit(text[at + 2]);
    if (high < 0 || low < 0) return std::nullopt;
    value += static_cast<char>(high << 4 | low);
    at += 2;
  }
  return value;
}

}  // namespace

std::optional<std::string_view> ControlRequest::text(std::string_view key) const {
  for (const auto& [name, value] : fields) {
    if (name == key) return value;
  }
  return std::nullopt;
}

Result<std::optional<uint32_t>> ControlRequest::number(std::string_view key, uint32_t most) const {
  const auto value = text(key);
  if (!value) return std::optional<uint32_t>();
  uint32_t number = 0;
  const char* const end = value->data() + value->size();
  const auto [stopped, failure] = std::from_chars(value->data(), end, number);
  if (failure != std::errc() || stopped != end || number > most) {
    return invalid(std::string(key) + " is not a number from 0 to " + std::to_string(most));
  }
  return std::optional<uint32_t>(number);
}

Result<ControlRequest> parse_control_request(std::string_view line) {
  if (line.ends_with('\r')) line.remove_suffix(1);
  ControlRequest request;
  for (bool first = true;; first = false) {
    const size_t space = line.find(' ');
    const std::string_view word = line.substr(0, space);
    if (first) {
      request.verb = word;
    } else {
      const size_t equals = word.find('=');
      if (equals == std::string_view::npos || equals == 0) {
        return invalid("a field is key=value, and fields are separated by one space");
      }
      const auto key = word.substr(0, equals);
      auto value = unescape(word.substr(equals + 1));
      if (!value) return invalid("the value of " + escape_control_value(key) + " is not escaped by %XX");
      if (request.text(key)) return invalid(escape_control_value(key) + " is there twice");
      request.fields.emplace_back(key, std::move(*value));
    }
    if (space == std::string_view::npos) break;
    line.remove_prefix(space + 1);
  }
  if (request.verb.empty()) return invalid("a request begins with a verb");
  return request;
}

std::string escape_control_value(std::string_view value) {
  constexpr char kDigits[] = "0123456789ABCDEF";
  std::string text;
  for (const char c : value) {
    if (printable(c)) {
      text += c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      text += {'%', kDigits[byte >> 4], kDigits[byte & 15]};
    }
  }
  return text;
}

ControlLine& ControlLine::field(std::string_view key, std::string_view value) {
  text_.append(" ").append(key).append("=").append(escape_control_value(value));
  return *this;
}

ControlLine& ControlLine::field(std::string_view key, uint64_t value) {
  text_.append(" ").append(key).append("=").append(std::to_string(value));
  return *this;
}

std::string control_error(const Error& error) {
  return ControlLine("error").field("code", errno_name(error.err)).field("message", error.message).take();
}

}  // namespace ecdock::vde
