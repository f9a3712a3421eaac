#pragma once

#include <pthread.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "datagram/inbox.h"
#include "datagram/socket.h"
#include "fd.h"
#include "result.h"

namespace ecdock::datagram {

using Id = uint32_t;

// A socket with what it has received and nobody has taken yet.
class Channel {
 public:
  Channel(Id id, Socket socket, Limits limits) : id(id), socket(std::move(socket)), inbox(limits) {}

  const Id id;
  Socket socket;
  Inbox inbox;

  // 0, or the errno with which receiving has ended.
  int failure() const { return failure_; }

 private:
  friend class Reader;
  std::atomic<int> failure_{0};
  std::atomic<bool> told_{false};  // somebody has been told, and has not taken anything since
  bool awaits_writable_ = false;   // with the reader's mutex held
};

// One thread that receives for all sockets. It runs as long as there are any.
class Reader {
 public:
  // Called on the thread when there is something to take from a channel, once until it is taken; and when a
  // channel that was waited for can be sent to again.
  using Ready = std::function<void(Id)>;

  explicit Reader(Ready ready) : ready_(std::move(ready)) {}
  ~Reader() { stop(); }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  // The following are called from one and the same thread.
  Result<std::shared_ptr<Channel>> add(Socket socket, Limits limits);
  void remove(const std::shared_ptr<Channel>& channel);
  Batch take(Channel& channel);
  // Once there is room to send again, `ready` is called.
  Status await_writable(Channel& channel);
  void stop();

 private:
  Status start();
  static void* begin(void* self);
  void run();
  std::shared_ptr<Channel> find(Id id);
  void serve(const std::shared_ptr<Channel>& channel, uint32_t events);
  bool receive(Channel& channel);
  void fail(Channel& channel, int err);

  const Ready ready_;
  Fd epoll_;
  Fd wake_;
  std::optional<pthread_t> thread_;
  std::mutex mutex_;
  std::map<Id, std::shared_ptr<Channel>> channels_;
  Id last_ = 0;
  std::vector<uint8_t> space_;  // the thread's
};

}  // namespace ecdock::datagram
