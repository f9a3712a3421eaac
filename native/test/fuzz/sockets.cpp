#include "test/fuzz/sockets.h"

#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cstring>
#include <filesystem>

#include "switch/unix_socket.h"

namespace ecdock::fuzz {

using vde::connect_to;

Fd stream_to(const std::string& path) {
  Fd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  [[maybe_unused]] const Status connected = connect_to(fd.get(), path);
  return fd;
}

void write_to(const Fd& fd, std::span<const uint8_t> bytes) {
  [[maybe_unused]] const ssize_t sent =
      send(fd.get(), bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
}

void write_to(const Fd& fd, const std::string& text) {
  write_to(fd, std::span(reinterpret_cast<const uint8_t*>(text.data()), text.size()));
}

void write_with_descriptors(const Fd& fd, const std::string& text, std::span<const int> descriptors) {
  iovec part{const_cast<char*>(text.data()), text.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(8 * sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (!descriptors.empty()) {
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(descriptors.size_bytes());
    cmsghdr* const header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(descriptors.size_bytes());
    std::memcpy(CMSG_DATA(header), descriptors.data(), descriptors.size_bytes());
  }
  [[maybe_unused]] const ssize_t sent = sendmsg(fd.get(), &message, MSG_DONTWAIT | MSG_NOSIGNAL);
}

size_t open_descriptors() {
  size_t count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) ++count;
  return count;
}

Fd real_tap(Random& random) {
  Fd fd(open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK));
  if (!fd.valid()) return Fd(open("/dev/null", O_RDWR | O_CLOEXEC));
  ifreq request{};
  request.ifr_flags = static_cast<short>(IFF_TAP | (random.one_in(8) ? 0 : IFF_NO_PI) |
                                         (random.one_in(2) ? IFF_VNET_HDR : 0));
  ioctl(fd.get(), TUNSETIFF, &request);
  return fd;
}

}  // namespace ecdock::fuzz
