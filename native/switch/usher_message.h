#pragma once

#include <sys/socket.h>
#include <sys/types.h>
#include <sys/un.h>

#include <cstdint>

#include "fd.h"
#include "result.h"

namespace ecdock::vde {

// What the switch and its usher say to each other, each one packet of their pair of sockets.

struct UsherQuestion {
  static constexpr size_t kMostGroups = 128;

  uint64_t id;
  ucred client;
  uint32_t group_count;
  gid_t groups[kMostGroups];
  uint32_t path_size;
  char path[sizeof(sockaddr_un::sun_path)];
};

// With a descriptor when `err` is 0.
struct UsherReply {
  uint64_t id;  // 0: it is ready, at first or again
  int err;
};

void send_reply(int socket, const UsherReply& reply, int fd = -1);

// What a descriptor came with, if it did. EAGAIN when there is nothing; EPIPE at the end.
struct ReceivedReply {
  UsherReply reply{};
  Fd fd;
};
Result<ReceivedReply> receive_reply(int socket);

}  // namespace ecdock::vde
