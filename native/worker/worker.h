#pragma once

#include <pthread.h>

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "result.h"

namespace ecdock::worker {

// Threads of our own for jobs that enter namespaces or wait in the kernel. Never libuv's pool: setns holds
// for a thread, and a 20 ms wait there would starve file and DNS work.
class Worker {
 public:
  // Called on one of the threads; or, with the reason, on the caller's when no thread can be started.
  using Job = std::function<void(const Status& ready)>;

  // `rest` is called on a thread that has had nothing to do for a while, once until its next job.
  explicit Worker(
      size_t threads, std::function<void()> rest = [] {})
      : rest_(std::move(rest)), threads_(threads) {}
  ~Worker() { stop(); }
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // Jobs begin in the order in which they were submitted. Called from one thread only, which stays in the
  // process's own namespace: threads are started here, and inherit it.
  void submit(Job job);

  // Replaces threads that had to end. Same thread as submit(); to be called after each finished job.
  void tend();

  // Waits until all that was submitted is done; no thread is left then. Same thread as submit().
  void stop();

 private:
  struct Thread {
    Worker* worker = nullptr;
    std::optional<pthread_t> handle;
    bool ended = false;
  };

  static void* begin(void* thread);
  void run(Thread& thread);
  void linger() const;  // yields the processor until a job is there, for a short while
  // Moves the thread to another processor than that which jobs are submitted on, if it is there; where it
  // goes from then on is up to the scheduler again.
  void step_aside() const;
  // With mutex_ held: whether there is a thread for the jobs; one more is started when there may be more.
  Status staff();

  // With `lock` held: until there is a job, or no more will come.
  void wait(std::unique_lock<std::mutex>& lock, bool& rested);

  const std::function<void()> rest_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Job> jobs_;
  std::atomic<size_t> waiting_{0};
  std::atomic<int> submitter_{-1};  // the processor of the last submit()
  std::vector<Thread> threads_;     // never more or fewer: each has a pointer to its own
  bool stopping_ = false;
};

}  // namespace ecdock::worker
