#pragma once

#include <functional>

#include "fd.h"
#include "switch/event_loop.h"

namespace ecdock::vde {

// Accepts what connects to a listening socket. When there is no descriptor left for it, the next attempt
// comes after a moment: epoll would tell of the connection that waits without end.
class Acceptor : public Watcher {
 public:
  // `accepted` gets each connection, nonblocking.
  Acceptor(EventLoop& loop, Fd listener, std::function<void(Fd)> accepted);
  ~Acceptor() override;
  Status start();

  void on_ready(uint32_t events) override;

 private:
  static constexpr int64_t kPause = 100;  // ms

  EventLoop& loop_;
  Fd listener_;
  std::function<void(Fd)> accepted_;
  EventLoop::TimerId pause_ = 0;
};

}  // namespace ecdock::vde
