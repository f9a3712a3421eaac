#include "switch/signals.h"

#include <sys/signalfd.h>

#include <cerrno>
#include <csignal>

namespace ecdock::vde {

Result<std::unique_ptr<Signals>> Signals::listen(EventLoop& loop) {
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGHUP, SIG_IGN);
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  sigprocmask(SIG_BLOCK, &set, nullptr);
  Fd fd(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd.valid()) return Error::from_errno("signalfd", errno);
  auto signals = std::unique_ptr<Signals>(new Signals(loop, std::move(fd)));
  const Status added = loop.add(signals->fd_.get(), EPOLLIN, *signals);
  if (!added.ok()) return added.error();
  return signals;
}

Signals::~Signals() { loop_.remove(fd_.get(), *this); }

void Signals::on_ready(uint32_t) { loop_.stop(); }

}  // namespace ecdock::vde
