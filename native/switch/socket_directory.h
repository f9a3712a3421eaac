#pragma once

#include <sys/types.h>

#include <string>

#include "fd.h"
#include "result.h"

namespace ecdock::vde {

// The directory of a switch's sockets. It is locked as long as this lives, and what was made in it is removed
// at the end; the directory itself only if it was made here.
class SocketDirectory {
 public:
  // Makes it if it is not there, gives it its mode and group, and removes the sockets that a switch has left
  // which was killed. EADDRINUSE when another switch serves it; ENOTEMPTY when it was there and is
  // not for a switch alone; ENAMETOOLONG when the sockets' paths would be too long.
  static Result<SocketDirectory> open(const std::string& path, mode_t mode, gid_t group);

  SocketDirectory(SocketDirectory&&) = default;
  SocketDirectory& operator=(SocketDirectory&&) = delete;
  ~SocketDirectory();

  // Absolute, without symbolic links.
  const std::string& path() const { return path_; }
  std::string ctl() const { return path_ + "/ctl"; }

 private:
  SocketDirectory(std::string path, Fd lock, bool made)
      : path_(std::move(path)), lock_(std::move(lock)), made_(made) {}
  void remove_left_over();

  std::string path_;
  Fd lock_;
  bool made_ = false;
};

}  // namespace ecdock::vde
