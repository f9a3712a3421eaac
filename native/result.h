#pragma once

#include <cstring>
#include <string>
#include <utility>
#include <variant>

namespace ecdock {

// What failed, with which errno, and the kernel's own words where it gave some (netlink extended ack).
struct Error {
  std::string op;
  int err = 0;
  std::string message;
  std::string kernel_message;

  static Error from_errno(std::string op, int err, std::string kernel_message = {}) {
    std::string message = op + ": " + std::strerror(err);
    if (!kernel_message.empty()) message += " (" + kernel_message + ")";
    return Error{std::move(op), err, std::move(message), std::move(kernel_message)};
  }
};

// Either a value or an Error; nothing here throws.
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::move(value)) {}
  Result(Error error) : state_(std::move(error)) {}

  bool ok() const { return std::holds_alternative<T>(state_); }
  T& value() { return *std::get_if<T>(&state_); }
  const T& value() const { return *std::get_if<T>(&state_); }
  Error& error() { return *std::get_if<Error>(&state_); }
  const Error& error() const { return *std::get_if<Error>(&state_); }

 private:
  std::variant<T, Error> state_;
};

struct Done {};
using Status = Result<Done>;

}  // namespace ecdock
