#include <dirent.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>
#include <memory>
#include <string_view>

#include "netlink/link.h"
#include "netns/network_namespace.h"

namespace ecdock::netns {

namespace {

std::string path_of(const std::string& name) { return std::string(kNamedDirectory) + "/" + name; }

// One file name in the directory, and nothing that leads out of it.
Status check_name(const char* op, const std::string& name) {
  using namespace std::string_view_literals;
  const bool is_file_name =
      !name.empty() && name != "." && name != ".." && name.find_first_of("/\0"sv) == std::string::npos;
  if (is_file_name) return Done{};
  return Error{op, EINVAL, std::string(op) + ": not the name of a namespace: '" + name + "'", {}};
}

// As iproute2's ip-netns(8): the directory is a shared mount point, so that a name made or removed in one
// mount namespace is made or removed in all.
Status prepare_directory() {
  if (::mkdir(kNamedDirectory, 0755) != 0 && errno != EEXIST) return Error::from_errno("netns create", errno);
  if (::mount("", kNamedDirectory, "none", MS_SHARED | MS_REC, nullptr) == 0) return Done{};
  if (errno != EINVAL) return Error::from_errno("netns create", errno);
  if (::mount(kNamedDirectory, kNamedDirectory, "none", MS_BIND | MS_REC, nullptr) != 0 ||
      ::mount("", kNamedDirectory, "none", MS_SHARED | MS_REC, nullptr) != 0) {
    return Error::from_errno("netns create", errno);
  }
  return Done{};
}

Status prepare_loopback(const std::string& alias) {
  auto socket = netlink::Socket::open();
  if (!socket.ok()) return socket.error();
  netlink::LinkSettings loopback;
  loopback.up = true;
  if (!alias.empty()) loopback.alias = alias;
  return netlink::set_link(socket.value(), "lo", loopback);
}

// An empty file that nothing was mounted on for a while: whoever made it died before the mount, which follows
// at once. Anybody else's file is left alone.
bool is_abandoned(const std::string& path) {
  constexpr time_t kSeconds = 5;
  struct statfs filesystem;
  struct stat status;
  if (::statfs(path.c_str(), &filesystem) != 0 || ::lstat(path.c_str(), &status) != 0) return false;
  return filesystem.f_type != NSFS_MAGIC && S_ISREG(status.st_mode) && status.st_size == 0 &&
         (status.st_mode & 0777) == 0 && status.st_ctime + kSeconds < ::time(nullptr);
}

// O_EXCL: of two that create the same name at the same time, one is told EEXIST.
Status reserve(const std::string& path) {
  const Fd file(::open(path.c_str(), O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0));
  if (const int err = errno; !file.valid() && (err != EEXIST || !is_abandoned(path))) {
    return Error::from_errno("netns create", err);
  }
  return Done{};
}

Result<Named> mount_here(const std::string& name, const std::string& path) {
  struct stat status {};
  if (::mount("/proc/thread-self/ns/net", path.c_str(), "none", MS_BIND, nullptr) == 0 &&
      ::stat(path.c_str(), &status) == 0) {
    return Named{name, path, status.st_ino};
  }
  const int err = errno;
  ::umount2(path.c_str(), MNT_DETACH);
  ::unlink(path.c_str());
  return Error::from_errno("netns create", err);
}

}  // namespace

Result<Named> create_named(const std::string& name, const std::string& alias) {
  if (auto checked = check_name("netns create", name); !checked.ok()) return checked.error();
  if (auto ready = prepare_directory(); !ready.ok()) return ready.error();
  auto inside = Scope::enter_new();
  if (!inside.ok()) return inside.error();
  if (auto ready = prepare_loopback(alias); !ready.ok()) return ready.error();
  // Nothing that could take time comes between the name and its namespace.
  const std::string path = path_of(name);
  if (auto reserved = reserve(path); !reserved.ok()) return reserved.error();
  return mount_here(name, path);
}

Status delete_named(const std::string& name) {
  const char* op = "netns delete";
  if (auto checked = check_name(op, name); !checked.ok()) return checked;
  const std::string path = path_of(name);
  {
    const Fd found(::open(path.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
    struct statfs filesystem;
    struct stat status;
    if (!found.valid() || ::fstatfs(found.get(), &filesystem) != 0 || ::fstat(found.get(), &status) != 0) {
      return Error::from_errno(op, errno);
    }
    const bool is_namespace = filesystem.f_type == NSFS_MAGIC;
    // What is left of a name when its namespace was unmounted, or not mounted yet.
    const bool is_leftover = S_ISREG(status.st_mode) && status.st_size == 0;
    if (!is_namespace && !is_leftover) return Error{op, EINVAL, path + " is not a namespace", {}};
    // EINVAL: nothing is mounted there.
    if (::umount2(path.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW) != 0 && (is_namespace || errno != EINVAL)) {
      return Error::from_errno(op, errno);
    }
  }
  if (::unlink(path.c_str()) != 0) return Error::from_errno(op, errno);
  return Done{};
}

Result<std::vector<Named>> list_named() {
  std::vector<Named> names;
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(::opendir(kNamedDirectory), ::closedir);
  if (!directory) {
    if (errno == ENOENT) return names;
    return Error::from_errno("netns list", errno);
  }
  while (const dirent* entry = ::readdir(directory.get())) {
    const std::string name = entry->d_name;
    if (name == "." || name == "..") continue;
    // A name whose namespace is gone, or another kind of file: not one that anybody can enter.
    auto opened = open_namespace(path_of(name));
    if (opened.ok()) names.push_back({name, path_of(name), opened.value().id});
  }
  return names;
}

}  // namespace ecdock::netns
