#include "worker/worker.h"

#include <signal.h>

#include <chrono>

#include "netns/network_namespace.h"

namespace ecdock::worker {

namespace {

// Whoever plugs one port after another comes with the next about 0.1 ms after the last: to wait for that
// awake saves both threads the 50 microseconds that falling asleep and being woken take.
constexpr auto kLinger = std::chrono::microseconds(250);

}  // namespace

Worker::~Worker() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  for (auto& thread : threads_) {
    if (thread.joinable()) thread.join();
  }
}

void Worker::submit(Job job) {
  const std::lock_guard lock(mutex_);
  jobs_.push_back(std::move(job));
  ++waiting_;
  restart_ended();
  if (threads_.size() < wanted_) threads_.emplace_back(&Worker::run, this, threads_.size());
  wake_.notify_one();
}

void Worker::tend() {
  const std::lock_guard lock(mutex_);
  restart_ended();
}

void Worker::restart_ended() {
  for (const size_t index : ended_) {
    threads_[index].join();
    threads_[index] = std::thread(&Worker::run, this, index);
  }
  ended_.clear();
}

void Worker::linger() const {
  if (std::thread::hardware_concurrency() < 2) return;  // the next job could not even be submitted
  const auto until = std::chrono::steady_clock::now() + kLinger;
  while (waiting_ == 0 && std::chrono::steady_clock::now() < until) std::this_thread::yield();
}

void Worker::run(size_t index) {
  // Signals belong to Node's main thread.
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, nullptr);
  for (;;) {
    Job job;
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [this] { return stopping_ || !jobs_.empty(); });
      if (jobs_.empty()) return;
      job = std::move(jobs_.front());
      jobs_.pop_front();
      --waiting_;
    }
    job();
    job = nullptr;  // with all that it holds open
    // A thread that could not come back from a namespace must not do another job there.
    if (netns::thread_is_lost()) {
      const std::lock_guard lock(mutex_);
      ended_.push_back(index);
      return;
    }
    linger();
  }
}

}  // namespace ecdock::worker
