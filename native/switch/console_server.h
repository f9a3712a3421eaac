#pragma once

#include <string>

#include "fd.h"
#include "switch/acceptor.h"
#include "switch/console_commands.h"
#include "switch/console_events.h"
#include "switch/event_loop.h"
#include "switch/session_list.h"

namespace ecdock::vde {

class ConsoleSession;

// Serves the management console; whoever its socket's permissions let in may use it.
class ConsoleServer : public EventHearer {
 public:
  ConsoleServer(EventLoop& loop, Switch& target, ConsoleCommands& commands, Fd listener);
  ~ConsoleServer() override;
  Status start() { return acceptor_.start(); }

  uint32_t wanted_events() const override;
  void hear(uint32_t category, const std::string& line) override;

 private:
  friend class ConsoleSession;
  static constexpr size_t kMostSessions = 64;
  void accept(Fd connection);

  EventLoop& loop_;
  ConsoleCommands& commands_;
  Acceptor acceptor_;
  SessionList<ConsoleSession> sessions_;
  ConsoleEvents events_;
};

}  // namespace ecdock::vde
