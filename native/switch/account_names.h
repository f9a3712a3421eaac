#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace ecdock::vde {

// Names of users or groups with their numbers, as /etc/passwd or /etc/group has them. They are read at the
// start: the switch cannot open files later.
class AccountNames {
 public:
  static AccountNames read(const char* path);
  static AccountNames parse(std::string_view text);

  // A number stands for itself.
  std::optional<uint32_t> id_of(std::string_view name) const;
  // The number, when it has no name.
  std::string name_of(uint32_t id) const;

 private:
  std::map<std::string, uint32_t, std::less<>> by_name_;
};

}  // namespace ecdock::vde
