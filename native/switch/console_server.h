#pragma once

#include <list>
#include <memory>
#include <string>

#include "fd.h"
#include "switch/console_commands.h"
#include "switch/console_events.h"
#include "switch/event_loop.h"

namespace ecdock::vde {

class ConsoleSession;

// Serves the management console; whoever its socket's permissions let in may use it.
class ConsoleServer : public Watcher, public EventHearer {
 public:
  ConsoleServer(EventLoop& loop, Switch& target, ConsoleCommands& commands, Fd listener);
  ~ConsoleServer() override;
  Status start();

  void on_ready(uint32_t events) override;
  uint32_t wanted_events() const override;
  void hear(uint32_t category, const std::string& line) override;

 private:
  friend class ConsoleSession;
  static constexpr size_t kMostSessions = 64;
  void forget(ConsoleSession& session);

  EventLoop& loop_;
  ConsoleCommands& commands_;
  Fd listener_;
  std::list<std::unique_ptr<ConsoleSession>> sessions_;
  ConsoleEvents events_;
};

}  // namespace ecdock::vde
