#include "addon/dispatcher.h"

#include <chrono>
#include <thread>
#include <utility>

namespace ecdock::addon {

namespace {

// Announced work that takes longer than this, because the kernel was busy with somebody else, signals again.
constexpr auto kAwake = std::chrono::microseconds(100);

}  // namespace

Dispatcher::Dispatcher(Napi::Env env) : signal_(Signal::New(env, "ecdock-fast", 0, 1, this)) {
  signal_.Unref(env);
}

void Dispatcher::close() { signal_.Abort(); }

void Dispatcher::begin(Napi::Env env) {
  if (under_way_++ == 0) signal_.Ref(env);
}

void Dispatcher::complete(Completion completion) {
  const std::lock_guard lock(mutex_);
  completed_.push_back(std::move(completion));
  completed_count_ = completed_.size();
  announced_ = false;
  // One call delivers all that have come together until it runs.
  if (!std::exchange(signalled_, true)) signal_.NonBlockingCall();
}

void Dispatcher::announce() {
  const std::lock_guard lock(mutex_);
  announced_ = true;
  if (!std::exchange(signalled_, true)) signal_.NonBlockingCall();
}

std::vector<Dispatcher::Completion> Dispatcher::take_completed() {
  std::unique_lock lock(mutex_);
  if (completed_.empty() && announced_) {
    lock.unlock();
    const auto until = std::chrono::steady_clock::now() + kAwake;
    while (completed_count_ == 0 && std::chrono::steady_clock::now() < until) std::this_thread::yield();
    lock.lock();
  }
  std::vector<Completion> ready;
  ready.swap(completed_);
  completed_count_ = 0;
  signalled_ = false;
  return ready;
}

void Dispatcher::deliver(Napi::Env env, Napi::Function, Dispatcher* self, void*) {
  if (env == nullptr || self == nullptr) return;  // Node is going down
  const auto ready = self->take_completed();
  for (const auto& completion : ready) {
    const Napi::HandleScope scope(env);
    completion(env);
  }
  self->under_way_ -= ready.size();
  if (self->under_way_ == 0) self->signal_.Unref(env);
}

}  // namespace ecdock::addon
