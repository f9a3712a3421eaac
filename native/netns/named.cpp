#include <dirent.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
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

Result<Named> mount_new(const std::string& name, const std::string& alias) {
  auto inside = Scope::enter_new();
  if (!inside.ok()) return inside.error();
  if (auto ready = prepare_loopback(alias); !ready.ok()) return ready.error();
  const std::string path = path_of(name);
  if (::mount("/proc/thread-self/ns/net", path.c_str(), "none", MS_BIND, nullptr) != 0) {
    return Error::from_errno("netns create", errno);
  }
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return Error::from_errno("netns create", errno);
  return Named{name, path, status.st_ino};
}

}  // namespace

Result<Named> create_named(const std::string& name, const std::string& alias) {
  if (auto checked = check_name("netns create", name); !checked.ok()) return checked.error();
  if (auto ready = prepare_directory(); !ready.ok()) return ready.error();
  const std::string path = path_of(name);
  // O_EXCL: of two that create the same name at the same time, one is told EEXIST.
  if (!Fd(::open(path.c_str(), O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0)).valid()) {
    return Error::from_errno("netns create", errno);
  }
  auto made = mount_new(name, alias);
  if (!made.ok()) {
    ::umount2(path.c_str(), MNT_DETACH);
    ::unlink(path.c_str());
  }
  return made;
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
