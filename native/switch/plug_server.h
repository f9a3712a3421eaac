#pragma once

#include <sys/socket.h>

#include <string>

#include "fd.h"
#include "switch/acceptor.h"
#include "switch/event_loop.h"
#include "switch/plug_request.h"
#include "switch/session_list.h"
#include "switch/switch.h"
#include "switch/usher.h"

namespace ecdock::vde {

class PlugSession;

// Serves DIR/ctl, where VDE clients plug themselves in and out.
class PlugServer {
 public:
  // `directory` is absolute; data sockets get `mode`. Without an usher, other users' clients are connected to
  // with the switch's own rights.
  PlugServer(EventLoop& loop, Switch& target, Fd listener, std::string directory, mode_t mode, Usher* usher);
  ~PlugServer();
  Status start() { return acceptor_.start(); }

  // Ends the session of this endpoint, which unplugs it; false when it has none here.
  bool end_session_of(const Endpoint& endpoint, const std::string& reason);

 private:
  friend class PlugSession;

  // A switch of 1,000 ports is plugged full at once, and each of them waits for milliseconds.
  static constexpr size_t kMostUnplugged = 256;
  static constexpr int64_t kPatience = 10'000;  // ms until a client has to have sent its request

  void accept(Fd connection);
  void drop_oldest_unplugged();

  EventLoop& loop_;
  Switch& switch_;
  Acceptor acceptor_;
  const std::string directory_;
  const mode_t mode_;
  Usher* const usher_;
  uint64_t last_id_ = 0;
  SessionList<PlugSession> sessions_;
  size_t unplugged_ = 0;  // sessions that have not sent a request yet
};

}  // namespace ecdock::vde
