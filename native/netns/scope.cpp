#include <sched.h>

#include <cerrno>

#include "netns/network_namespace.h"

namespace ecdock::netns {

namespace {

thread_local bool lost = false;

// Where this thread comes from, opened when it first goes somewhere else.
const Result<NetworkNamespace>& home() {
  thread_local Result<NetworkNamespace> opened = open_namespace("");
  // Out of descriptors, say: the next one may have more luck.
  if (!opened.ok()) opened = open_namespace("");
  return opened;
}

}  // namespace

bool thread_is_lost() { return lost; }

Result<bool> is_home(const NetworkNamespace& netns) {
  const auto& own = home();
  if (!own.ok()) return own.error();
  return netns.id == own.value().id && netns.filesystem == own.value().filesystem;
}

Result<Scope> Scope::enter(const NetworkNamespace& there) {
  const auto& back = home();
  if (!back.ok()) return back.error();
  if (::setns(there.fd.get(), CLONE_NEWNET) != 0) return Error::from_errno("netns enter", errno);
  return Scope(back.value().fd.get());
}

Result<Scope> Scope::enter_new() {
  const auto& back = home();
  if (!back.ok()) return back.error();
  if (::unshare(CLONE_NEWNET) != 0) return Error::from_errno("netns create", errno);
  return Scope(back.value().fd.get());
}

Scope::~Scope() {
  if (home_ >= 0 && ::setns(home_, CLONE_NEWNET) != 0) lost = true;
}

}  // namespace ecdock::netns
