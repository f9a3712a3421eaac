#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "result.h"

namespace ecdock::vde {

// The text of the control socket (docs/ecdock-switch.md): a request is a line `VERB key=value …`, an answer
// is lines of data and then `ok key=value …` or `error code=CODE message=TEXT`. In values the bytes up to
// 0x20, `%`, and 0x7f and above are written %XX.

inline constexpr size_t kMaxControlLine = 4096;

class ControlRequest {
 public:
  std::string verb;

  // The value of a field; nothing when there is none.
  std::optional<std::string_view> text(std::string_view key) const;
  // EINVAL when it is there and no number from 0 to `most`.
  Result<std::optional<uint32_t>> number(std::string_view key, uint32_t most) const;

  std::vector<std::pair<std::string, std::string>> fields;
};

// A line without its end. EINVAL with the reason when it is malformed or names a field twice.
Result<ControlRequest> parse_control_request(std::string_view line);

std::string escape_control_value(std::string_view value);

// A line of data or an answer, built field by field.
class ControlLine {
 public:
  explicit ControlLine(std::string_view word) : text_(word) {}
  ControlLine& field(std::string_view key, std::string_view value);
  ControlLine& field(std::string_view key, uint64_t value);
  std::string take() { return std::move(text_) + "\n"; }

 private:
  std::string text_;
};

std::string control_error(const Error& error);

}  // namespace ecdock::vde
