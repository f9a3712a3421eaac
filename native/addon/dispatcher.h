#pragma once

#include <napi.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <mutex>
#include <vector>

#include "result.h"
#include "worker/worker.h"

namespace ecdock::addon {

// Runs work on worker threads and settles promises on Node's thread, many in one callback. Node's event loop
// is kept alive only while something is under way.
class Dispatcher {
 public:
  explicit Dispatcher(Napi::Env env);
  Dispatcher(const Dispatcher&) = delete;
  Dispatcher& operator=(const Dispatcher&) = delete;

  // To be called when no thread runs work any more, and before Node takes its end of the signal away, which
  // it does after the clean-up hooks that were added later than the dispatcher was made. Promises stay open.
  void close();

  // How Node's thread waits for an outcome. Awake for the first millisecond means that whoever starts the
  // work calls stay_awake() in each turn of the event loop from then on, until that says false.
  enum class Wait { kAsleep, kAwake };

  // Waits a few microseconds for what is under way, and settles what has come. To fall asleep and be woken
  // takes Node's thread about 50 microseconds, and often leads it to the processor that the work is done on,
  // where the two then take turns. False when nothing is under way that is worth staying awake for.
  bool stay_awake(Napi::Env env);

  // `work` runs on a thread of `worker`; `settle` then runs on Node's thread with what it returned, or with
  // why there was no thread for it.
  template <class T>
  Napi::Value run(Napi::Env env, worker::Worker& worker, Wait wait, std::function<Result<T>()> work,
                  std::function<void(Napi::Env, const Napi::Promise::Deferred&, const Result<T>&)> settle) {
    auto deferred = std::make_shared<Napi::Promise::Deferred>(Napi::Promise::Deferred::New(env));
    begin(env, wait);
    worker.submit(
        [this, &worker, deferred, work = std::move(work), settle = std::move(settle)](const Status& ready) {
          auto outcome = std::make_shared<Result<T>>(ready.ok() ? work() : Result<T>(ready.error()));
          complete([&worker, deferred, outcome, settle](Napi::Env env) {
            worker.tend();
            settle(env, *deferred, *outcome);
          });
        });
    return deferred->Promise();
  }

 private:
  using Completion = std::function<void(Napi::Env)>;

  static void on_signal(Napi::Env env, Napi::Function, Dispatcher* self, void*);
  using Signal = Napi::TypedThreadSafeFunction<Dispatcher, void, &Dispatcher::on_signal>;

  void begin(Napi::Env env, Wait wait);
  void complete(Completion completion);
  void deliver(Napi::Env env);
  void signal();  // with mutex_ held

  Signal signal_;
  std::mutex mutex_;
  std::vector<Completion> completed_;
  std::atomic<size_t> completed_count_{0};             // of completed_, for who looks without the lock
  bool signalled_ = false;                             // a delivery is on its way
  bool awake_ = false;                                 // Node's thread will look by itself
  std::chrono::steady_clock::time_point awake_until_;  // set by Node's thread only
  size_t under_way_ = 0;                               // Node's thread only
};

}  // namespace ecdock::addon
