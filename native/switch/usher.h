#pragma once

#include <sys/socket.h>

#include <memory>
#include <string>
#include <vector>

#include "fd.h"
#include "result.h"

namespace ecdock::vde {

// A process beside the switch that connects to the datagram sockets of clients who are other users. The
// switch itself has no right to: it has given up its capabilities. The usher has kept only those with which
// it becomes the client, so that it can do nothing but what the client may; it sees neither frames nor
// requests, but paths.
class Usher {
 public:
  // To be called as root, before there are threads and before the capabilities are gone.
  static Result<std::unique_ptr<Usher>> start();
  ~Usher();
  Usher(const Usher&) = delete;
  Usher& operator=(const Usher&) = delete;

  // As connect_to_client(), with the client's own rights. Waits for a second at most (ETIMEDOUT): the path
  // may lead into a file system that somebody has made for that. Called from one thread.
  Result<Fd> connect(const std::string& path, const ucred& client, const std::vector<gid_t>& groups);

 private:
  explicit Usher(Fd socket) : socket_(std::move(socket)) {}
  Fd socket_;
  uint64_t last_id_ = 0;
};

}  // namespace ecdock::vde
