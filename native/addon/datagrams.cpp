#include "addon/datagrams.h"

#include <cerrno>
#include <utility>

#include "addon/values.h"
#include "errno_name.h"

namespace ecdock::addon {

namespace {

Napi::Value refuse(Napi::Env env, const Error& error) {
  Napi::Error(env, to_js(env, error)).ThrowAsJavaScriptException();
  return env.Undefined();
}

}  // namespace

Datagrams::Datagrams(Napi::Env env)
    : signal_(Signal::New(env, "ecdock-fast datagrams", 0, 1, this)),
      reader_([this](datagram::Id id) { tell(id); }) {
  // Whoever waits for datagrams keeps Node alive by the connection that they belong to.
  signal_.Unref(env);
}

void Datagrams::close() {
  reader_.stop();
  open_.clear();
  signal_.Abort();
}

void Datagrams::tell(datagram::Id id) {
  const std::lock_guard lock(mutex_);
  ready_.push_back(id);
  if (ready_.size() == 1) signal_.NonBlockingCall();
}

void Datagrams::deliver(Napi::Env env, Napi::Function, Datagrams* self, void*) {
  if (env == nullptr || self == nullptr) return;  // Node is going down
  std::vector<datagram::Id> ready;
  {
    const std::lock_guard lock(self->mutex_);
    ready.swap(self->ready_);
  }
  for (const auto id : ready) {
    const Napi::HandleScope scope(env);
    // One that was told of earlier may have closed it.
    const auto found = self->open_.find(id);
    if (found == self->open_.end()) continue;
    // Not by the reference: what is called may close the socket, and so let go of it.
    found->second.ready.Value().Call({});
    if (env.IsExceptionPending()) return;
  }
}

Datagrams::Open* Datagrams::socket_argument(const Napi::CallbackInfo& info) {
  if (const auto id = u32_argument(info, 0)) {
    if (const auto found = open_.find(*id); found != open_.end()) return &found->second;
    refuse(info.Env(), Error::from_errno("datagram", EBADF));
  }
  return nullptr;
}

Napi::Value Datagrams::bind(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const auto path = text_argument(info, 0);
  if (!path) return env.Undefined();
  const auto datagrams = u32_argument(info, 1);
  if (!datagrams) return env.Undefined();
  const auto bytes = u32_argument(info, 2);
  if (!bytes) return env.Undefined();
  if (!info[3].IsFunction()) {
    Napi::TypeError::New(env, "argument 3 must be a function").ThrowAsJavaScriptException();
    return env.Undefined();
  }
  auto socket = datagram::Socket::bind(*path);
  if (!socket.ok()) return refuse(env, socket.error());
  auto channel = reader_.add(std::move(socket.value()), {*datagrams, *bytes});
  if (!channel.ok()) return refuse(env, channel.error());
  const auto id = channel.value()->id;
  open_.emplace(id, Open{std::move(channel.value()), Napi::Persistent(info[3].As<Napi::Function>())});
  return Napi::Number::New(env, id);
}

Napi::Value Datagrams::connect(const Napi::CallbackInfo& info) {
  Open* open = socket_argument(info);
  if (open == nullptr) return info.Env().Undefined();
  const auto path = text_argument(info, 1);
  if (!path) return info.Env().Undefined();
  auto connected = open->channel->socket.connect(*path);
  return connected.ok() ? info.Env().Undefined() : refuse(info.Env(), connected.error());
}

Napi::Value Datagrams::send(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  Open* open = socket_argument(info);
  if (open == nullptr) return env.Undefined();
  const auto datagrams = buffers_argument(info, 1);
  if (!datagrams) return env.Undefined();
  auto sent = open->channel->socket.send(*datagrams);
  if (!sent.ok()) return refuse(env, sent.error());
  if (sent.value() < datagrams->size()) {
    auto awaited = reader_.await_writable(*open->channel);
    if (!awaited.ok()) return refuse(env, awaited.error());
  }
  return Napi::Number::New(env, static_cast<double>(sent.value()));
}

Napi::Value Datagrams::take(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  Open* open = socket_argument(info);
  if (open == nullptr) return env.Undefined();
  const auto batch = reader_.take(*open->channel);
  const int failure = open->channel->failure();
  if (batch.lengths.empty() && failure != 0) {
    return refuse(env, Error::from_errno("datagram receive", failure));
  }
  auto lengths = Napi::Uint32Array::New(env, batch.lengths.size());
  std::copy(batch.lengths.begin(), batch.lengths.end(), lengths.Data());
  auto object = Napi::Object::New(env);
  object.Set("bytes", Napi::Buffer<uint8_t>::Copy(env, batch.bytes.data(), batch.bytes.size()));
  object.Set("lengths", lengths);
  object.Set("dropped", static_cast<double>(open->channel->inbox.dropped()));
  return object;
}

Napi::Value Datagrams::close_one(const Napi::CallbackInfo& info) {
  const auto id = u32_argument(info, 0);
  if (!id) return info.Env().Undefined();
  const auto found = open_.find(*id);
  if (found == open_.end()) return info.Env().Undefined();
  reader_.remove(found->second.channel);
  open_.erase(found);
  return info.Env().Undefined();
}

}  // namespace ecdock::addon
