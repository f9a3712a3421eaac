#include <fcntl.h>
#include <sched.h>

#include <cerrno>

#include "netns/network_namespace.h"

namespace ecdock::netns {

namespace {

thread_local bool lost = false;

Result<Fd> open_home() {
  Fd home(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
  if (!home.valid()) return Error::from_errno("netns open", errno);
  return home;
}

}  // namespace

bool thread_is_lost() { return lost; }

Result<Scope> Scope::enter(const NetworkNamespace& there) {
  auto home = open_home();
  if (!home.ok()) return home.error();
  if (::setns(there.fd.get(), CLONE_NEWNET) != 0) return Error::from_errno("netns enter", errno);
  return Scope(std::move(home.value()));
}

Result<Scope> Scope::enter_new() {
  auto home = open_home();
  if (!home.ok()) return home.error();
  if (::unshare(CLONE_NEWNET) != 0) return Error::from_errno("netns create", errno);
  return Scope(std::move(home.value()));
}

Scope::~Scope() {
  if (home_.valid() && ::setns(home_.get(), CLONE_NEWNET) != 0) lost = true;
}

}  // namespace ecdock::netns
