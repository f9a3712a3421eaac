#include "worker/worker.h"

#include <sched.h>
#include <signal.h>

#include <chrono>
#include <thread>
#include <utility>

#include "netns/network_namespace.h"

namespace ecdock::worker {

namespace {

// Whoever plugs one port after another comes with the next about 0.1 ms after the last: to wait for that
// awake saves both threads the 50 microseconds that falling asleep and being woken take.
constexpr auto kLinger = std::chrono::microseconds(250);
// What was kept for the next job is let go when none has come for so long.
constexpr auto kBusy = std::chrono::milliseconds(20);

}  // namespace

void Worker::submit(Job job) {
  Status staffed = Done{};
  submitter_ = ::sched_getcpu();
  {
    const std::lock_guard lock(mutex_);
    staffed = staff();
    if (staffed.ok()) {
      jobs_.push_back(std::move(job));
      ++waiting_;
      wake_.notify_one();
    }
  }
  if (!staffed.ok()) job(staffed);
}

void Worker::tend() {
  std::deque<Job> hopeless;
  Status staffed = Done{};
  {
    const std::lock_guard lock(mutex_);
    bool ended = false;
    for (const auto& thread : threads_) ended = ended || thread.ended;
    if (!ended) return;
    staffed = staff();
    if (staffed.ok()) return;
    hopeless.swap(jobs_);
    waiting_ = 0;
  }
  for (const auto& job : hopeless) job(staffed);
}

void Worker::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  for (auto& thread : threads_) {
    if (thread.handle) ::pthread_join(*std::exchange(thread.handle, std::nullopt), nullptr);
  }
}

Status Worker::staff() {
  for (auto& thread : threads_) {
    if (!thread.ended) continue;
    ::pthread_join(*std::exchange(thread.handle, std::nullopt), nullptr);
    thread.ended = false;
  }
  bool staffed = false;
  for (auto& thread : threads_) {
    if (thread.handle) {
      staffed = true;
      continue;
    }
    thread.worker = this;
    pthread_t handle;
    // Not std::thread, which throws when there is no room for another one.
    const int err = ::pthread_create(&handle, nullptr, &Worker::begin, &thread);
    if (err == 0) {
      thread.handle = handle;
    } else if (!staffed) {
      return Error::from_errno("thread start", err);
    }
    break;
  }
  return Done{};
}

// The scheduler wakes a thread where its waker is: in a virtual machine even if all else is idle, because a
// virtual processor that is halted counts as preempted (available_idle_cpu in kernel/sched/syscalls.c). There
// it would run in turns with whoever waits for it.
void Worker::step_aside() const {
  const int here = ::sched_getcpu();
  if (here < 0 || here != submitter_) return;
  cpu_set_t allowed;
  if (::sched_getaffinity(0, sizeof allowed, &allowed) != 0) return;
  cpu_set_t others = allowed;
  CPU_CLR(here, &others);
  if (CPU_COUNT(&others) == 0 || ::sched_setaffinity(0, sizeof others, &others) != 0) return;
  (void)::sched_setaffinity(0, sizeof allowed, &allowed);
}

void Worker::linger() const {
  static const bool alone = std::thread::hardware_concurrency() < 2;
  if (alone) return;  // the next job could not even be submitted
  step_aside();
  const auto until = std::chrono::steady_clock::now() + kLinger;
  while (waiting_ == 0 && std::chrono::steady_clock::now() < until) std::this_thread::yield();
}

void Worker::wait(std::unique_lock<std::mutex>& lock, bool& rested) {
  const auto ready = [this] { return stopping_ || !jobs_.empty(); };
  if (!rested && !wake_.wait_for(lock, kBusy, ready)) {
    lock.unlock();
    rest_();
    rested = true;
    lock.lock();
  }
  wake_.wait(lock, ready);
}

void* Worker::begin(void* thread) {
  auto& own = *static_cast<Thread*>(thread);
  own.worker->run(own);
  return nullptr;
}

void Worker::run(Thread& thread) {
  // Signals belong to Node's main thread.
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, nullptr);
  bool rested = true;
  for (;;) {
    Job job;
    {
      std::unique_lock lock(mutex_);
      wait(lock, rested);
      if (jobs_.empty()) return;
      job = std::move(jobs_.front());
      jobs_.pop_front();
      --waiting_;
    }
    job(Done{});
    rested = false;
    job = nullptr;  // with all that it holds open
    // A thread that could not come back from a namespace must not do another job there.
    if (netns::thread_is_lost()) {
      const std::lock_guard lock(mutex_);
      thread.ended = true;
      return;
    }
    linger();
  }
}

}  // namespace ecdock::worker
