#pragma once

#include <sys/epoll.h>

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "fd.h"
#include "result.h"
#include "switch/eagerness.h"

namespace ecdock::vde {

// Something that waits for a descriptor.
class Watcher {
 public:
  virtual ~Watcher() = default;
  // EPOLLIN, EPOLLOUT, EPOLLERR, EPOLLHUP, as epoll tells them; it is told again until there is nothing left.
  virtual void on_ready(uint32_t events) = 0;
};

// One thread that waits for descriptors and for time.
class EventLoop {
 public:
  static Result<std::unique_ptr<EventLoop>> open();

  Status add(int fd, uint32_t events, Watcher& watcher);
  void change(int fd, uint32_t events, Watcher& watcher);
  // To be called before the descriptor is closed. The watcher hears nothing any more.
  void remove(int fd, Watcher& watcher);

  // From here on the watcher is told in every turn of what it waits for, whether it is there or not, and the
  // loop does not sleep. For descriptors that always have something (pace.h); they have to have been added.
  // False, and nothing is different, where the process has one processor only.
  bool follow(int fd, uint32_t events, Watcher& watcher);
  // Back to waiting. False, and it is still followed, when the kernel has no memory for that.
  bool unfollow(int fd, Watcher& watcher);

  // Whether others want the processor that the thread keeps for itself while it follows.
  bool crowded() const { return crowded_ && !followed_.empty(); }

  // Destroys a watcher when those that are being told have returned, which may be itself.
  void retire(std::unique_ptr<Watcher> watcher);

  using TimerId = uint64_t;
  // Calls once, `ms` milliseconds from now.
  TimerId after(int64_t ms, std::function<void()> call);
  void cancel(TimerId timer);

  // Seconds since the system was started, as of the latest events.
  uint32_t seconds() const { return static_cast<uint32_t>(now_ms_ / 1000); }

  // In ns, as of the latest events; since when means nothing.
  int64_t now() const { return now_; }

  // Counts the times that events were waited for.
  uint64_t round() const { return round_; }
  // Whether the latest events were there already, so that there was no wait.
  bool at_once() const { return eagerness_.at_once(); }

  // To be told of frames that answer others (eagerness.h).
  void answered() { eagerness_.answered(); }

  // Until stop().
  void run();
  void stop() { running_ = false; }

 private:
  struct Followed {
    uint32_t events;
    Watcher* watcher;  // none any more: nullptr
  };

  EventLoop(Fd epoll, bool alone) : epoll_(std::move(epoll)), alone_(alone) {}
  Followed* followed(const Watcher& watcher);
  void tell_followed();
  void look_for_others();
  void look_at_clock();
  int timeout() const;
  int wait();
  void call_timers();

  static constexpr int kBatch = 64;

  Fd epoll_;
  const bool alone_;  // on one processor, with all others
  std::vector<Followed> followed_;
  bool crowded_ = false;
  int64_t looked_at_ = 0;    // ns: when it was last seen whether it is crowded
  int64_t had_by_then_ = 0;  // of processor time
  bool running_ = true;
  uint64_t round_ = 0;
  Eagerness eagerness_;
  int64_t now_ = 0;
  int64_t now_ms_ = 0;
  std::array<epoll_event, kBatch> events_{};
  int told_ = 0;   // of events_
  int ready_ = 0;  // in events_
  uint64_t last_timer_ = 0;
  std::map<std::pair<int64_t, TimerId>, std::function<void()>> timers_;  // by when
  std::vector<std::unique_ptr<Watcher>> retired_;
};

}  // namespace ecdock::vde
