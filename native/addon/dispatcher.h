#pragma once

#include <napi.h>

#include <atomic>
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

  // To be called by work that is about to return, within 0.1 ms or so: Node's thread, which takes about half
  // of that to wake up, does so meanwhile, and what little is left of it then waits for the outcome awake.
  void announce();

  // `work` runs on a thread of `worker`; `settle` then runs on Node's thread with what it returned, or with
  // why there was no thread for it.
  template <class T>
  Napi::Value run(Napi::Env env, worker::Worker& worker, std::function<Result<T>()> work,
                  std::function<void(Napi::Env, const Napi::Promise::Deferred&, const Result<T>&)> settle) {
    auto deferred = std::make_shared<Napi::Promise::Deferred>(Napi::Promise::Deferred::New(env));
    begin(env);
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

  static void deliver(Napi::Env env, Napi::Function, Dispatcher* self, void*);
  using Signal = Napi::TypedThreadSafeFunction<Dispatcher, void, &Dispatcher::deliver>;

  void begin(Napi::Env env);
  void complete(Completion completion);
  std::vector<Completion> take_completed();

  Signal signal_;
  std::mutex mutex_;
  std::vector<Completion> completed_;
  std::atomic<size_t> completed_count_{0};  // of completed_, for who looks without the lock
  bool announced_ = false;
  bool signalled_ = false;  // a delivery is on its way, or waits for what was announced
  size_t under_way_ = 0;    // Node's thread only
};

}  // namespace ecdock::addon
