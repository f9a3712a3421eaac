#include "datagram/socket.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <array>
#include <cerrno>
#include <optional>

namespace ecdock::datagram {

namespace {

// Datagrams that one system call sends.
constexpr size_t kBatch = 64;

std::optional<sockaddr_un> address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path) return std::nullopt;
  path.copy(address.sun_path, path.size());
  return address;
}

}  // namespace

Result<Socket> Socket::bind(const std::string& path) {
  const char* op = "datagram bind";
  const auto address = address_of(path);
  if (!address) return Error::from_errno(op, ENAMETOOLONG);
  Fd fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return Error::from_errno(op, errno);
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof *address) != 0) {
    return Error::from_errno(op, errno);
  }
  return Socket(std::move(fd));
}

Status Socket::connect(const std::string& path) {
  const char* op = "datagram connect";
  const auto address = address_of(path);
  if (!address) return Error::from_errno(op, ENAMETOOLONG);
  if (::connect(fd_.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof *address) != 0) {
    return Error::from_errno(op, errno);
  }
  return Done{};
}

Result<size_t> Socket::send(std::span<const Datagram> datagrams) {
  std::array<mmsghdr, kBatch> messages;
  std::array<iovec, kBatch> parts;
  size_t sent = 0;
  while (sent < datagrams.size()) {
    const size_t count = std::min(kBatch, datagrams.size() - sent);
    for (size_t i = 0; i < count; ++i) {
      const Datagram& one = datagrams[sent + i];
      parts[i] = {const_cast<uint8_t*>(one.data()), one.size()};
      messages[i] = {};
      messages[i].msg_hdr.msg_iov = &parts[i];
      messages[i].msg_hdr.msg_iovlen = 1;
    }
    const int taken = ::sendmmsg(fd_.get(), messages.data(), static_cast<unsigned>(count), MSG_NOSIGNAL);
    if (taken < 0 && errno == EINTR) continue;
    if (taken < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS)) return sent;
    if (taken < 0) return Error::from_errno("datagram send", errno);
    sent += static_cast<size_t>(taken);
    // The error of the next one is told by the next call.
  }
  return sent;
}

}  // namespace ecdock::datagram
