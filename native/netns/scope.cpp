#include <fcntl.h>
#include <sched.h>

#include <cerrno>

#include "netns/network_namespace.h"

namespace ecdock::netns {

namespace {

thread_local bool lost = false;

// Where this thread comes from, opened when it first goes somewhere else.
Result<int> home() {
  thread_local const Fd opened(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
  if (!opened.valid()) return Error::from_errno("netns open", ENOENT);
  return opened.get();
}

}  // namespace

bool thread_is_lost() { return lost; }

Result<Scope> Scope::enter(const NetworkNamespace& there) {
  auto back = home();
  if (!back.ok()) return back.error();
  if (::setns(there.fd.get(), CLONE_NEWNET) != 0) return Error::from_errno("netns enter", errno);
  return Scope(back.value());
}

Result<Scope> Scope::enter_new() {
  auto back = home();
  if (!back.ok()) return back.error();
  if (::unshare(CLONE_NEWNET) != 0) return Error::from_errno("netns create", errno);
  return Scope(back.value());
}

Scope::~Scope() {
  if (home_ >= 0 && ::setns(home_, CLONE_NEWNET) != 0) lost = true;
}

}  // namespace ecdock::netns
