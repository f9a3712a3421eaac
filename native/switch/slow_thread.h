#pragma once

#include <pthread.h>

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>

#include "fd.h"
#include "result.h"
#include "switch/event_loop.h"

namespace ecdock::vde {

// Does on a thread of its own what frames must not wait for: the kernel takes 16 ms to close a tap, and to
// ask it about one waits for everybody who changes links.
class SlowThread : public Watcher {
 public:
  static Result<std::unique_ptr<SlowThread>> start(EventLoop& loop);
  // Waits until all work is done.
  ~SlowThread() override;

  // In order. `done` is called on the loop's thread after `work` on the other. Each job closes or asks about
  // a descriptor of its own, so that there are never more of them than descriptors; what clients could pile
  // up does not belong here.
  void run(std::function<void()> work, std::function<void()> done);

  void close(
      Fd fd, std::function<void()> closed = [] {});

  void on_ready(uint32_t events) override;

 private:
  struct Job {
    std::function<void()> work;
    std::function<void()> done;
  };

  SlowThread(EventLoop& loop, Fd wake) : loop_(loop), wake_(std::move(wake)) {}
  static void* begin(void* self);
  void work();

  EventLoop& loop_;
  Fd wake_;  // an eventfd that tells the loop
  std::optional<pthread_t> thread_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Job> jobs_;
  std::deque<std::function<void()>> done_;
  bool stopping_ = false;
};

}  // namespace ecdock::vde
