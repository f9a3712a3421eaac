#pragma once

#include <sys/types.h>

#include <string>
#include <utility>
#include <vector>

#include "fd.h"
#include "result.h"

namespace ecdock::netns {

// An open reference to a network namespace: it cannot vanish while this lives.
struct NetworkNamespace {
  Fd fd;
  ino_t id = 0;  // inode of its nsfs file
  dev_t filesystem = 0;
};

// Opens the namespace at `path`, '' for the calling thread's own. Anything else than a network namespace is
// refused with ENOTTY before it is opened for reading (a FIFO would block, a device would act).
Result<NetworkNamespace> open_namespace(const std::string& path);

// Whether `path` still leads to this namespace.
bool still_leads_to(const std::string& path, const NetworkNamespace& netns);

// Enters a namespace for as long as it lives; then the thread is back where it was when it first went
// somewhere: scopes do not nest. When the way back fails
// the thread is lost: thread_is_lost() says so, and the worker ends it.
class Scope {
 public:
  static Result<Scope> enter(const NetworkNamespace& there);
  // A namespace of its own that nobody else knows yet.
  static Result<Scope> enter_new();

  Scope(Scope&& other) noexcept : home_(std::exchange(other.home_, -1)) {}
  Scope& operator=(Scope&&) = delete;
  ~Scope();

 private:
  explicit Scope(int home) : home_(home) {}

  int home_;
};

bool thread_is_lost();

// Whether this is the namespace that the calling thread comes from, which for a worker is the process's own.
Result<bool> is_home(const NetworkNamespace& netns);

// Where `ip netns` keeps its names.
inline constexpr const char* kNamedDirectory = "/run/netns";

struct Named {
  std::string name;
  std::string path;
  ino_t id;
};

// Creates /run/netns/NAME as `ip netns add` does (a shared mount point, so that the names are seen in all
// mount namespaces). The loopback is up, and carries `alias` before the name can be seen. EEXIST when taken,
// EINVAL when the name is not that of one file.
Result<Named> create_named(const std::string& name, const std::string& alias);
// ENOENT when there is no such name, EINVAL when it is that of something else. Processes inside keep the
// namespace alive, without its name.
Status delete_named(const std::string& name);
Result<std::vector<Named>> list_named();

}  // namespace ecdock::netns
