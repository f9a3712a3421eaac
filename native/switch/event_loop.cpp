#include "switch/event_loop.h"

#include <sched.h>
#include <time.h>

#include <algorithm>
#include <cerrno>

namespace ecdock::vde {

namespace {

int64_t nanoseconds(clockid_t clock = CLOCK_MONOTONIC) {
  timespec now{};
  clock_gettime(clock, &now);
  return now.tv_sec * 1'000'000'000LL + now.tv_nsec;
}

// For how long only those are told that are followed, in ns.
constexpr int64_t kTurns = 20'000;

// How often it is seen whether others want the processor, in ns, and how many percent of it are as good as
// all.
constexpr int64_t kLookForOthers = 5'000'000;
constexpr int64_t kAll = 90;

// When there are more than a cpu_set_t holds, the call fails.
bool has_one_processor() {
  cpu_set_t processors;
  return sched_getaffinity(0, sizeof processors, &processors) == 0 && CPU_COUNT(&processors) == 1;
}

}  // namespace

Result<std::unique_ptr<EventLoop>> EventLoop::open() {
  Fd epoll(epoll_create1(EPOLL_CLOEXEC));
  if (!epoll.valid()) return Error::from_errno("epoll_create1", errno);
  auto loop = std::unique_ptr<EventLoop>(new EventLoop(std::move(epoll), has_one_processor()));
  loop->look_at_clock();
  return loop;
}

Status EventLoop::add(int fd, uint32_t events, Watcher& watcher) {
  epoll_event event{.events = events, .data = {.ptr = &watcher}};
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) < 0) return Error::from_errno("epoll_ctl", errno);
  return Done{};
}

void EventLoop::change(int fd, uint32_t events, Watcher& watcher) {
  if (Followed* const one = followed(watcher)) {
    one->events = events;
    return;
  }
  epoll_event event{.events = events, .data = {.ptr = &watcher}};
  epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd, &event);
}

void EventLoop::remove(int fd, Watcher& watcher) {
  if (Followed* const one = followed(watcher)) {
    one->watcher = nullptr;
  } else {
    epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
  }
  for (int i = told_; i < ready_; ++i) {
    if (events_[i].data.ptr == &watcher) events_[i].data.ptr = nullptr;
  }
}

bool EventLoop::follow(int fd, uint32_t events, Watcher& watcher) {
  if (alone_ || epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr) < 0) return false;
  if (followed_.empty()) {
    crowded_ = false;
    looked_at_ = nanoseconds();
    had_by_then_ = nanoseconds(CLOCK_THREAD_CPUTIME_ID);
  }
  followed_.push_back({events, &watcher});
  return true;
}

bool EventLoop::unfollow(int fd, Watcher& watcher) {
  Followed* const one = followed(watcher);
  if (!add(fd, one->events, watcher).ok()) return false;
  one->watcher = nullptr;
  return true;
}

// As it does not sleep, it has had all of the time, or else somebody else has.
void EventLoop::look_for_others() {
  const int64_t time = now_ - looked_at_;
  if (followed_.empty() || time < kLookForOthers) return;
  const int64_t had = nanoseconds(CLOCK_THREAD_CPUTIME_ID);
  crowded_ = (had - had_by_then_) * 100 < time * kAll;
  looked_at_ = now_;
  had_by_then_ = had;
}

EventLoop::Followed* EventLoop::followed(const Watcher& watcher) {
  const auto found = std::find_if(followed_.begin(), followed_.end(),
                                  [&watcher](const Followed& one) { return one.watcher == &watcher; });
  return found == followed_.end() ? nullptr : &*found;
}

// Many times before the kernel is asked for the others, which costs as much as a frame. Those that are told
// may add and remove some.
void EventLoop::tell_followed() {
  do {
    for (size_t i = 0; i < followed_.size(); ++i) {
      const Followed one = followed_[i];
      if (one.watcher != nullptr && one.events != 0) one.watcher->on_ready(one.events);
    }
    std::erase_if(followed_, [](const Followed& one) { return one.watcher == nullptr; });
  } while (!followed_.empty() && nanoseconds() - now_ < kTurns);
}

void EventLoop::retire(std::unique_ptr<Watcher> watcher) { retired_.push_back(std::move(watcher)); }

EventLoop::TimerId EventLoop::after(int64_t ms, std::function<void()> call) {
  const TimerId timer = ++last_timer_;
  timers_.emplace(std::pair(now_ms_ + ms, timer), std::move(call));
  return timer;
}

void EventLoop::cancel(TimerId timer) {
  std::erase_if(timers_, [timer](const auto& entry) { return entry.first.second == timer; });
}

void EventLoop::run() {
  while (running_) {
    const int ready = wait();
    look_at_clock();
    ready_ = std::max(ready, 0);
    for (told_ = 0; told_ < ready_;) {
      const epoll_event event = events_[told_++];
      if (event.data.ptr != nullptr) static_cast<Watcher*>(event.data.ptr)->on_ready(event.events);
    }
    ready_ = told_ = 0;
    tell_followed();
    call_timers();
    retired_.clear();
  }
}

int EventLoop::wait() {
  ++round_;
  const int64_t begin = nanoseconds();
  int64_t waited = 0;
  int ready = 0;
  if (followed_.empty() && eagerness_.worth_a_look(begin)) {
    do {
      ready = epoll_wait(epoll_.get(), events_.data(), kBatch, 0);
      waited = nanoseconds() - begin;
    } while (ready == 0 && waited < Eagerness::kLook);
    if (ready == 0) eagerness_.looked_in_vain(waited);
  }
  if (ready == 0) {
    ready = epoll_wait(epoll_.get(), events_.data(), kBatch, followed_.empty() ? timeout() : 0);
    waited = nanoseconds() - begin;
  }
  eagerness_.waited(waited);
  now_ = begin + waited;
  look_for_others();
  return ready;
}

void EventLoop::look_at_clock() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  now_ms_ = static_cast<int64_t>(now.tv_sec) * 1000 + now.tv_nsec / 1'000'000;
}

int EventLoop::timeout() const {
  if (timers_.empty()) return -1;
  // One more, because the coarse clock lags behind.
  return static_cast<int>(std::clamp<int64_t>(timers_.begin()->first.first - now_ms_ + 1, 0, 3'600'000));
}

void EventLoop::call_timers() {
  while (!timers_.empty() && timers_.begin()->first.first <= now_ms_) {
    const auto call = std::move(timers_.begin()->second);
    timers_.erase(timers_.begin());
    call();
  }
}

}  // namespace ecdock::vde
