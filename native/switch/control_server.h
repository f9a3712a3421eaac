#pragma once

#include <string>

#include "fd.h"
#include "switch/acceptor.h"
#include "switch/control_target.h"
#include "switch/event_loop.h"
#include "switch/session_list.h"

namespace ecdock::vde {

class ControlSession;

// Serves the control socket. Only root and the process's own user are listened to.
class ControlServer {
 public:
  ControlServer(EventLoop& loop, ControlTarget& target, Fd listener);
  ~ControlServer();
  Status start() { return acceptor_.start(); }

  // Tells those that watch. One line, with its end.
  void announce(const std::string& line);

 private:
  friend class ControlSession;
  static constexpr size_t kMostSessions = 64;

  void accept(Fd connection);

  EventLoop& loop_;
  ControlTarget& target_;
  Acceptor acceptor_;
  uint64_t last_id_ = 0;
  SessionList<ControlSession> sessions_;
};

}  // namespace ecdock::vde
