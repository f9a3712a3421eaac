#include "addon/dispatcher.h"

namespace ecdock::addon {

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
  // One call delivers all that have come together until it runs.
  if (completed_.size() == 1) signal_.NonBlockingCall();
}

void Dispatcher::deliver(Napi::Env env, Napi::Function, Dispatcher* self, void*) {
  if (env == nullptr || self == nullptr) return;  // Node is going down
  std::vector<Completion> ready;
  {
    const std::lock_guard lock(self->mutex_);
    ready.swap(self->completed_);
  }
  for (const auto& completion : ready) {
    const Napi::HandleScope scope(env);
    completion(env);
  }
  self->under_way_ -= ready.size();
  if (self->under_way_ == 0) self->signal_.Unref(env);
}

}  // namespace ecdock::addon
