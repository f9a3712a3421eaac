#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace ecdock::worker {

// Threads of our own for jobs that enter namespaces or wait in the kernel. Never libuv's pool: setns holds
// for a thread, and a 20 ms wait there would starve file and DNS work.
class Worker {
 public:
  using Job = std::function<void()>;

  explicit Worker(size_t threads) : wanted_(threads) {}
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // Jobs begin in the order in which they were submitted. Called from one thread only, which stays in the
  // process's own namespace: threads are started here, and inherit it.
  void submit(Job job);

  // Replaces threads that had to end. Same thread as submit(); to be called after each finished job.
  void tend();

 private:
  void run(size_t index);
  void linger() const;   // yields the processor until a job is there, for a short while
  void restart_ended();  // with mutex_ held

  const size_t wanted_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Job> jobs_;
  std::atomic<size_t> waiting_{0};
  std::vector<std::thread> threads_;
  std::vector<size_t> ended_;
  bool stopping_ = false;
};

}  // namespace ecdock::worker
