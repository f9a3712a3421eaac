#pragma once

#include <sys/types.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "fd.h"
#include "result.h"

namespace ecdock::datagram {

// Longest datagram that is received, in bytes; what is longer is counted and dropped.
inline constexpr size_t kMaxDatagram = 65536;

using Datagram = std::span<const uint8_t>;

// A unix datagram socket (unix(7)) that never blocks. Paths hold at most 107 bytes: ENAMETOOLONG.
class Socket {
 public:
  // Makes the socket file; EADDRINUSE when there is one already. Whoever made it removes it.
  static Result<Socket> bind(const std::string& path);

  Status connect(const std::string& path);

  // How many were taken, from the first; fewer than all when there is no room for more just now.
  Result<size_t> send(std::span<const Datagram> datagrams);

  int fd() const { return fd_.get(); }

 private:
  explicit Socket(Fd fd) : fd_(std::move(fd)) {}

  Fd fd_;
};

}  // namespace ecdock::datagram
