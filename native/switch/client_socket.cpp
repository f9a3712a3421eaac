#include "switch/client_socket.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "switch/unix_socket.h"

namespace ecdock::vde {

namespace {

Error refused(int err, const std::string& why) {
  return Error{"plug", err, "the client's socket " + why, {}};
}

Status connect_by_name(int fd, const std::string& path, const ucred& client) {
  // Held open while it is looked at and connected to, so that nobody can exchange it in between.
  const Fd held(open(path.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
  if (!held.valid()) return Error::from_errno("open " + path, errno);
  struct stat found {};
  if (fstat(held.get(), &found) < 0) return Error::from_errno("stat " + path, errno);
  if (!S_ISSOCK(found.st_mode)) return refused(EINVAL, "is no socket");
  if (client.uid != 0 && found.st_uid != client.uid) return refused(EACCES, "belongs to another user");
  return connect_to(fd, "/proc/self/fd/" + std::to_string(held.get()));
}

}  // namespace

Result<Fd> connect_to_client(const std::string& path, const ucred& client) {
  Fd fd(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid()) return Error::from_errno("socket", errno);
  if (path[0] == '\0') {
    // An abstract name has no owner that could be compared.
    if (client.uid != 0 && client.uid != geteuid()) return refused(EACCES, "is abstract, and has no owner");
    const Status connected = connect_to(fd.get(), path);
    if (!connected.ok()) return connected.error();
    return fd;
  }
  if (path[0] != '/') return refused(EINVAL, "is not named by an absolute path");
  const Status connected = connect_by_name(fd.get(), path, client);
  if (!connected.ok()) return connected.error();
  return fd;
}

}  // namespace ecdock::vde
