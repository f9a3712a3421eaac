#pragma once

#include <sys/socket.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "fd.h"
#include "result.h"
#include "switch/event_loop.h"

namespace ecdock::vde {

// A process beside the switch that connects to the datagram sockets of clients who are other users. The
// switch itself has no right to: it has given up its capabilities. The usher has kept only those with which
// it becomes the client, so that it can do nothing but what the client may; it sees neither frames nor
// requests, but paths. When it ends, another one takes its place, which is told in the log; who waited for it
// may hear ETIMEDOUT. Only when the process has ended, too, that starts them, other users cannot plug in any
// more: the switch has no rights left that it could give to another one.
class Usher : public Watcher {
 public:
  // To be called as root, before there are threads and before the capabilities are gone. Waits until it is
  // ready.
  static Result<std::unique_ptr<Usher>> start(EventLoop& loop);
  // The other process ends with it.
  ~Usher() override;
  Usher(const Usher&) = delete;
  Usher& operator=(const Usher&) = delete;

  using Answer = std::function<void(Result<Fd>)>;
  // As connect_to_client(), with the client's own rights; the answer comes now or later. ETIMEDOUT after two
  // seconds; EBUSY when too many are waiting, of this user or at all; EPIPE when the usher has ended.
  void connect(const std::string& path, const ucred& client, const std::vector<gid_t>& groups, Answer answer);

  void on_ready(uint32_t events) override;

 private:
  struct Waiting {
    std::string path;
    Answer answer;
    EventLoop::TimerId patience;
  };

  static constexpr size_t kMostWaiting = 256;
  static constexpr int64_t kPatience = 2000;  // ms, longer than the usher's own

  Usher(EventLoop& loop, Fd socket) : loop_(loop), socket_(std::move(socket)) {}
  void settle(uint64_t id, int err, Fd fd);
  void ended();

  EventLoop& loop_;
  Fd socket_;
  uint64_t last_id_ = 0;
  std::map<uint64_t, Waiting> waiting_;
};

}  // namespace ecdock::vde
