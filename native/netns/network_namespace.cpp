#include "netns/network_namespace.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <cerrno>

namespace ecdock::netns {

Result<NetworkNamespace> open_namespace(const std::string& path) {
  const char* op = "netns open";
  const Fd location(::open(path.empty() ? "/proc/thread-self/ns/net" : path.c_str(), O_PATH | O_CLOEXEC));
  if (!location.valid()) return Error::from_errno(op, errno);
  struct statfs filesystem;
  if (::fstatfs(location.get(), &filesystem) != 0) return Error::from_errno(op, errno);
  if (filesystem.f_type != NSFS_MAGIC) return Error{op, ENOTTY, path + " is not a namespace", {}};
  const std::string reopened = "/proc/self/fd/" + std::to_string(location.get());
  NetworkNamespace found{Fd(::open(reopened.c_str(), O_RDONLY | O_CLOEXEC))};
  if (!found.fd.valid()) return Error::from_errno(op, errno);
  if (::ioctl(found.fd.get(), NS_GET_NSTYPE) != CLONE_NEWNET) {
    return Error{op, ENOTTY, path + " is a namespace, but not of the network", {}};
  }
  struct stat status;
  if (::fstat(found.fd.get(), &status) != 0) return Error::from_errno(op, errno);
  found.id = status.st_ino;
  found.filesystem = status.st_dev;
  return found;
}

bool still_leads_to(const std::string& path, const NetworkNamespace& netns) {
  struct stat status;
  if (::stat(path.empty() ? "/proc/thread-self/ns/net" : path.c_str(), &status) != 0) return false;
  return status.st_ino == netns.id && status.st_dev == netns.filesystem;
}

}  // namespace ecdock::netns
