#include "addon/dispatcher.h"

#include <algorithm>
#include <thread>
#include <utility>

namespace ecdock::addon {

namespace {

using Clock = std::chrono::steady_clock;

// A plug takes less than that. What takes longer is not made much longer by a wake-up.
constexpr auto kAwake = std::chrono::milliseconds(1);
// What else the event loop has to do waits no longer than that.
constexpr auto kTurn = std::chrono::microseconds(20);

}  // namespace

Dispatcher::Dispatcher(Napi::Env env) : signal_(Signal::New(env, "ecdock-fast", 0, 1, this)) {
  signal_.Unref(env);
}

void Dispatcher::close() { signal_.Abort(); }

void Dispatcher::begin(Napi::Env env, Wait wait) {
  if (under_way_++ == 0) signal_.Ref(env);
  if (wait == Wait::kAsleep) return;
  const std::lock_guard lock(mutex_);
  awake_until_ = Clock::now() + kAwake;
  awake_ = true;
}

void Dispatcher::complete(Completion completion) {
  const std::lock_guard lock(mutex_);
  completed_.push_back(std::move(completion));
  completed_count_ = completed_.size();
  if (!awake_ || Clock::now() >= awake_until_) signal();
}

void Dispatcher::signal() {
  // One call delivers all that have come together until it runs.
  if (!std::exchange(signalled_, true)) signal_.NonBlockingCall();
}

bool Dispatcher::stay_awake(Napi::Env env) {
  static const bool alone = std::thread::hardware_concurrency() < 2;  // the work needs the only processor
  const auto until = alone ? Clock::now() : std::min(Clock::now() + kTurn, awake_until_);
  while (completed_count_ == 0 && Clock::now() < until) std::this_thread::yield();
  deliver(env);
  if (!alone && under_way_ > 0 && Clock::now() < awake_until_) return true;
  const std::lock_guard lock(mutex_);
  awake_ = false;
  if (!completed_.empty()) signal();
  return false;
}

void Dispatcher::deliver(Napi::Env env) {
  std::vector<Completion> ready;
  {
    const std::lock_guard lock(mutex_);
    ready.swap(completed_);
    completed_count_ = 0;
  }
  for (const auto& completion : ready) {
    const Napi::HandleScope scope(env);
    completion(env);
  }
  under_way_ -= ready.size();
  if (under_way_ == 0 && !ready.empty()) signal_.Unref(env);
}

void Dispatcher::on_signal(Napi::Env env, Napi::Function, Dispatcher* self, void*) {
  if (env == nullptr || self == nullptr) return;  // Node is going down
  {
    const std::lock_guard lock(self->mutex_);
    self->signalled_ = false;
  }
  self->deliver(env);
}

}  // namespace ecdock::addon
