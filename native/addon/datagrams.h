#pragma once

#include <napi.h>

#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "datagram/reader.h"

namespace ecdock::addon {

// Unix datagram sockets for JavaScript (src/kernel/datagram-socket.ts). A socket is a number there. What
// comes is received by one thread for all sockets; Node's thread is told once, and then takes all that there
// is.
class Datagrams {
 public:
  explicit Datagrams(Napi::Env env);
  Datagrams(const Datagrams&) = delete;
  Datagrams& operator=(const Datagrams&) = delete;

  // As Dispatcher::close(): before Node takes its end of the signal away.
  void close();

  // (path, most datagrams, most bytes, called when there is something to take or room to send) -> socket
  Napi::Value bind(const Napi::CallbackInfo& info);
  // (socket, path)
  Napi::Value connect(const Napi::CallbackInfo& info);
  // (socket, buffers) -> how many of them were taken; the callback comes when the others may be
  Napi::Value send(const Napi::CallbackInfo& info);
  // (socket) -> { bytes, lengths, dropped }
  Napi::Value take(const Napi::CallbackInfo& info);
  // (socket)
  Napi::Value close_one(const Napi::CallbackInfo& info);

 private:
  struct Open {
    std::shared_ptr<datagram::Channel> channel;
    Napi::FunctionReference ready;
  };

  static void deliver(Napi::Env env, Napi::Function, Datagrams* self, void*);
  using Signal = Napi::TypedThreadSafeFunction<Datagrams, void, &Datagrams::deliver>;

  void tell(datagram::Id id);
  // Throws into JavaScript when the first argument is no open socket.
  Open* socket_argument(const Napi::CallbackInfo& info);

  Signal signal_;
  std::mutex mutex_;
  std::vector<datagram::Id> ready_;
  std::map<datagram::Id, Open> open_;  // Node's thread only
  datagram::Reader reader_;
};

}  // namespace ecdock::addon
