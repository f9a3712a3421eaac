#pragma once

#include <memory>

#include "fd.h"
#include "result.h"
#include "switch/event_loop.h"

namespace ecdock::vde {

// Hears SIGTERM and SIGINT as events of the loop; ignores SIGHUP and SIGPIPE. To be made before any thread.
class Signals : public Watcher {
 public:
  static Result<std::unique_ptr<Signals>> listen(EventLoop& loop);
  ~Signals() override;
  void on_ready(uint32_t events) override;

 private:
  Signals(EventLoop& loop, Fd fd) : loop_(loop), fd_(std::move(fd)) {}
  EventLoop& loop_;
  Fd fd_;
};

}  // namespace ecdock::vde
