#pragma once

#include <sys/socket.h>

#include <list>
#include <memory>
#include <string>

#include "fd.h"
#include "switch/event_loop.h"
#include "switch/plug_request.h"
#include "switch/slow_thread.h"
#include "switch/switch.h"
#include "switch/usher.h"

namespace ecdock::vde {

class PlugSession;

// Serves DIR/ctl, where VDE clients plug themselves in and out.
class PlugServer : public Watcher {
 public:
  // `directory` is absolute; data sockets get `mode`. Without an usher, other users' clients are connected to
  // with the switch's own rights.
  PlugServer(EventLoop& loop, SlowThread& slow, Switch& target, Fd listener, std::string directory,
             mode_t mode, Usher* usher);
  ~PlugServer() override;
  Status start();

  // Ends the session of this endpoint, which unplugs it; false when it has none here.
  bool end_session_of(const Endpoint& endpoint, const std::string& reason);

  void on_ready(uint32_t events) override;

 private:
  friend class PlugSession;

  // A switch of 1,000 ports is plugged full at once, and each of them waits for milliseconds.
  static constexpr size_t kMostUnplugged = 256;
  static constexpr int64_t kPatience = 10'000;  // ms until a client has to have sent its request
  static constexpr int64_t kPause = 100;        // ms, when there is no descriptor left

  void forget(PlugSession& session);
  PlugSession* session(uint64_t id);
  void drop_oldest_unplugged();

  EventLoop& loop_;
  SlowThread& slow_;
  Switch& switch_;
  Fd listener_;
  const std::string directory_;
  const mode_t mode_;
  Usher* const usher_;
  uint64_t last_id_ = 0;
  std::list<std::unique_ptr<PlugSession>> sessions_;
  size_t unplugged_ = 0;  // sessions that have not sent a request yet
};

}  // namespace ecdock::vde
