#include "switch/stream_output.h"

#include <sys/socket.h>

#include <cerrno>

namespace ecdock::vde {

bool StreamOutput::write(int fd, const std::string& text) {
  waiting_ += text;
  return flush(fd) && waiting_.size() <= limit_;
}

bool StreamOutput::flush(int fd) {
  size_t sent = 0;
  while (sent < waiting_.size()) {
    const ssize_t size =
        send(fd, waiting_.data() + sent, waiting_.size() - sent, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (size < 0) {
      if (errno == EINTR) continue;
      if (errno != EAGAIN) return false;
      break;
    }
    sent += static_cast<size_t>(size);
  }
  waiting_.erase(0, sent);
  if (waiting_.empty()) waiting_.shrink_to_fit();
  return true;
}

}  // namespace ecdock::vde
