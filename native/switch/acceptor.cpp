#include "switch/acceptor.h"

#include <sys/socket.h>

#include <cerrno>

namespace ecdock::vde {

namespace {

// A few at a time: frames come first.
constexpr int kAtOnce = 8;

bool exhausted(int err) { return err == EMFILE || err == ENFILE || err == ENOMEM || err == ENOBUFS; }

}  // namespace

Acceptor::Acceptor(EventLoop& loop, Fd listener, std::function<void(Fd)> accepted)
    : loop_(loop), listener_(std::move(listener)), accepted_(std::move(accepted)) {}

Acceptor::~Acceptor() {
  if (pause_ != 0) loop_.cancel(pause_);
  loop_.remove(listener_.get(), *this);
}

Status Acceptor::start() { return loop_.add(listener_.get(), EPOLLIN, *this); }

void Acceptor::on_ready(uint32_t) {
  for (int i = 0; i < kAtOnce; ++i) {
    Fd connection(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (connection.valid()) {
      accepted_(std::move(connection));
      continue;
    }
    if (!exhausted(errno)) return;
    loop_.change(listener_.get(), 0, *this);
    pause_ = loop_.after(kPause, [this] {
      pause_ = 0;
      loop_.change(listener_.get(), EPOLLIN, *this);
    });
    return;
  }
}

}  // namespace ecdock::vde
