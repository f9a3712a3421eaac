#include "switch/usher_message.h"

#include <cerrno>
#include <cstring>

namespace ecdock::vde {

namespace {

constexpr size_t kControl = CMSG_SPACE(sizeof(int));

}  // namespace

void send_reply(int socket, const UsherReply& reply, int fd) {
  iovec part{const_cast<UsherReply*>(&reply), sizeof reply};
  alignas(cmsghdr) char control[kControl] = {};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (fd >= 0) {
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    cmsghdr* const header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof fd);
    std::memcpy(CMSG_DATA(header), &fd, sizeof fd);
  }
  sendmsg(socket, &message, MSG_NOSIGNAL);
}

Result<ReceivedReply> receive_reply(int socket) {
  ReceivedReply received;
  iovec part{&received.reply, sizeof received.reply};
  alignas(cmsghdr) char control[kControl];
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  ssize_t size = 0;
  do {
    size = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
  } while (size < 0 && errno == EINTR);
  if (size < 0) return Error::from_errno("wait for the usher", errno);
  if (size == 0) return Error::from_errno("wait for the usher", EPIPE);
  const cmsghdr* const header = CMSG_FIRSTHDR(&message);
  if (header != nullptr && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS) {
    int number = -1;
    std::memcpy(&number, CMSG_DATA(header), sizeof number);
    received.fd = Fd(number);
  }
  return received;
}

}  // namespace ecdock::vde
