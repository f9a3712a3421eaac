#pragma once

#include <list>
#include <memory>
#include <string>

#include "fd.h"
#include "switch/control_target.h"
#include "switch/event_loop.h"

namespace ecdock::vde {

class ControlSession;

// Serves the control socket. Only root and the process's own user are listened to.
class ControlServer : public Watcher {
 public:
  ControlServer(EventLoop& loop, ControlTarget& target, Fd listener);
  ~ControlServer() override;
  Status start();

  // Tells those that watch. One line, with its end.
  void announce(const std::string& line);

  void on_ready(uint32_t events) override;

 private:
  friend class ControlSession;
  static constexpr size_t kMostSessions = 64;

  void forget(ControlSession& session);
  ControlSession* session(uint64_t id);

  EventLoop& loop_;
  ControlTarget& target_;
  Fd listener_;
  uint64_t last_id_ = 0;
  std::list<std::unique_ptr<ControlSession>> sessions_;
};

}  // namespace ecdock::vde
