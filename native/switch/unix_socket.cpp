#include "switch/unix_socket.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace ecdock::vde {

namespace {

constexpr int kBacklog = 128;

bool is_served(const std::string& path) {
  Fd probe(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const Status connected = connect_to(probe.get(), path);
  return connected.ok() || connected.error().err != ECONNREFUSED;
}

}  // namespace

Result<sockaddr_un> socket_address(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() > kMaxSocketPath && !(path[0] == '\0' && path.size() == sizeof address.sun_path)) {
    return Error{"socket",
                 ENAMETOOLONG,
                 path + " is " + std::to_string(path.size()) + " bytes long, and a socket's path holds " +
                     std::to_string(kMaxSocketPath),
                 {}};
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

Status bind_at(int fd, const std::string& path, mode_t mode) {
  const auto address = socket_address(path);
  if (!address.ok()) return address.error();
  // By the mask, because a chmod afterwards could hit what somebody has put there meanwhile.
  const mode_t before = umask(~mode & 0777);
  const int bound = bind(fd, reinterpret_cast<const sockaddr*>(&address.value()), sizeof(sockaddr_un));
  const int err = errno;
  umask(before);
  if (bound < 0) return Error::from_errno("bind " + path, err);
  return Done{};
}

Result<Fd> listen_at(const std::string& path, mode_t mode, gid_t group) {
  Fd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid()) return Error::from_errno("socket", errno);
  Status bound = bind_at(fd.get(), path, mode);
  if (!bound.ok() && bound.error().err == EADDRINUSE && !is_served(path)) {
    unlink_socket(path);
    bound = bind_at(fd.get(), path, mode);
  }
  if (!bound.ok()) {
    if (bound.error().err != EADDRINUSE) return bound.error();
    return Error{"bind", EADDRINUSE, path + " is in use by another program, or is no socket", {}};
  }
  if (group != kNoGroup && lchown(path.c_str(), static_cast<uid_t>(-1), group) < 0) {
    const int err = errno;
    unlink_socket(path);
    return Error::from_errno("chown " + path, err);
  }
  if (listen(fd.get(), kBacklog) < 0) return Error::from_errno("listen " + path, errno);
  return fd;
}

Status connect_to(int fd, const std::string& path) {
  const auto address = socket_address(path);
  if (!address.ok()) return address.error();
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address.value()), sizeof(sockaddr_un)) < 0) {
    return Error::from_errno("connect " + path, errno);
  }
  return Done{};
}

Result<ucred> peer_of(int fd) {
  ucred peer{};
  socklen_t size = sizeof peer;
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
    return Error::from_errno("SO_PEERCRED", errno);
  return peer;
}

std::vector<gid_t> groups_of_peer(int fd, const ucred& peer) {
  std::vector<gid_t> groups(64);
  socklen_t size = 0;
  for (int attempt = 0; attempt < 2; ++attempt) {
    size = static_cast<socklen_t>(groups.size() * sizeof(gid_t));
    // With ERANGE it says how much room it needs.
    if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups.data(), &size) == 0) break;
    if (errno != ERANGE) size = 0;
    groups.resize(size / sizeof(gid_t));
  }
  groups.resize(size / sizeof(gid_t));
  groups.push_back(peer.gid);
  return groups;
}

void unlink_socket(const std::string& path) {
  struct stat found {};
  if (lstat(path.c_str(), &found) == 0 && S_ISSOCK(found.st_mode)) unlink(path.c_str());
}

}  // namespace ecdock::vde
