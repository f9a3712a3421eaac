#include "switch/socket_directory.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string_view>

#include "switch/unix_socket.h"

namespace ecdock::vde {

namespace {

// `/NNNNN.DDDDDDD`: a port's number, and a descriptor's.
constexpr size_t kLongestName = 14;

bool is_data_socket(std::string_view name) {
  const size_t dot = name.find('.');
  return dot != std::string_view::npos && dot >= 3 && dot + 1 < name.size() &&
         name.find_first_not_of("0123456789") == dot &&
         name.find_first_not_of("0123456789", dot + 1) == std::string_view::npos;
}

// What is in a directory and is no socket, such as a switch leaves; nothing when there is no such thing.
std::optional<std::string> other_than_socket(int directory) {
  const int fd = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const std::unique_ptr<DIR, int (*)(DIR*)> listing(fd < 0 ? nullptr : fdopendir(fd), closedir);
  if (!listing) return ".";
  while (const dirent* const entry = readdir(listing.get())) {
    const std::string_view name = entry->d_name;
    struct stat status;
    if (name == "." || name == ".." || fstatat(directory, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) < 0)
      continue;
    if (!S_ISSOCK(status.st_mode)) return std::string(name);
  }
  return std::nullopt;
}

// A directory that was there before is a switch's when it holds nothing but sockets, and nobody shares it as
// /tmp is.
Status check_is_for_sockets(int directory, const std::string& path) {
  struct stat status;
  if (fstat(directory, &status) < 0) return Error::from_errno("stat " + path, errno);
  const bool shared = (status.st_mode & S_ISVTX) != 0;
  const auto other = other_than_socket(directory);
  if (!shared && !other) return Done{};
  const std::string why = shared ? "is shared by all users" : "holds something else, " + *other;
  return Error{
      "socket directory", ENOTEMPTY, path + " " + why + ": give a directory of the switch's own", {}};
}

}  // namespace

Result<SocketDirectory> SocketDirectory::open(const std::string& path, mode_t mode, gid_t group) {
  // Nobody else gets in before it has its mode.
  const bool made = mkdir(path.c_str(), 0700) == 0;
  if (!made && errno != EEXIST) return Error::from_errno("mkdir " + path, errno);
  char resolved[PATH_MAX];
  if (realpath(path.c_str(), resolved) == nullptr) return Error::from_errno("realpath " + path, errno);
  Fd lock(::open(resolved, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!lock.valid()) return Error::from_errno("open " + path, errno);
  SocketDirectory directory(resolved, std::move(lock), made);
  const size_t longest = kMaxSocketPath - kLongestName;
  if (directory.path_.size() > longest) {
    return Error{"socket directory",
                 ENAMETOOLONG,
                 directory.path_ + " is " + std::to_string(directory.path_.size()) +
                     " bytes long; the paths of its sockets hold " + std::to_string(longest),
                 {}};
  }
  if (flock(directory.lock_.get(), LOCK_EX | LOCK_NB) < 0) {
    return Error{"socket directory", EADDRINUSE, directory.path_ + " is served by another ecdock-switch", {}};
  }
  // vde_switch takes no lock, but it listens.
  const Fd probe(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (connect_to(probe.get(), directory.ctl()).ok()) {
    return Error{"socket directory", EADDRINUSE, directory.path_ + " is served by another switch", {}};
  }
  const int fd = directory.lock_.get();
  if (!made) {
    if (auto checked = check_is_for_sockets(fd, directory.path_); !checked.ok()) return checked.error();
  }
  if (group != kNoGroup && fchown(fd, static_cast<uid_t>(-1), group) < 0) {
    return Error::from_errno("chown " + path, errno);
  }
  if (fchmod(fd, mode) < 0) return Error::from_errno("chmod " + path, errno);
  directory.remove_left_over();
  return directory;
}

void SocketDirectory::remove_left_over() {
  const std::unique_ptr<DIR, int (*)(DIR*)> listing(opendir(path_.c_str()), closedir);
  if (!listing) return;
  while (const dirent* const entry = readdir(listing.get())) {
    if (is_data_socket(entry->d_name)) unlink_socket(path_ + "/" + entry->d_name);
  }
}

SocketDirectory::~SocketDirectory() {
  if (lock_.valid() && made_) rmdir(path_.c_str());
}

}  // namespace ecdock::vde
