#pragma once

#include <cstddef>
#include <string>

namespace ecdock::vde {

// What is still to be written to a stream socket, bounded.
class StreamOutput {
 public:
  explicit StreamOutput(size_t limit) : limit_(limit) {}

  // Writes as much as goes now and keeps the rest; false when the connection is broken, or too much waits.
  bool write(int fd, const std::string& text);
  bool flush(int fd);
  bool empty() const { return waiting_.empty(); }
  size_t size() const { return waiting_.size(); }

 private:
  size_t limit_;
  std::string waiting_;
};

}  // namespace ecdock::vde
