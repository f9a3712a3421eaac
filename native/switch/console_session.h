#pragma once

#include <string>
#include <string_view>

#include "fd.h"
#include "switch/event_loop.h"
#include "switch/stream_output.h"

namespace ecdock::vde {

class ConsoleServer;

// One connection to the console. Each line is a command, and each is answered, also when several come at
// once. Some clients send no end of line, as vde_switch needs none: what stands alone for a moment is a
// command, too.
class ConsoleSession : public Watcher {
 public:
  ConsoleSession(ConsoleServer& server, Fd connection);
  Status start();

  void hear(uint32_t category, const std::string& line);
  uint32_t wanted_events() const { return events_; }
  void on_ready(uint32_t events) override;
  void end();

 private:
  void work();
  void execute(std::string_view line);
  void say(const std::string& text);
  void update();

  static constexpr size_t kMaxLine = 4096;
  static constexpr size_t kMaxOutput = 16 * 1024 * 1024;
  static constexpr size_t kMaxUnread = 256 * 1024;
  static constexpr int64_t kUnendedMs = 50;

  ConsoleServer& server_;
  Fd connection_;
  std::string input_;
  StreamOutput output_;
  uint32_t events_ = 0;
  bool at_end_ = false;
  EventLoop::TimerId unended_ = 0;
};

}  // namespace ecdock::vde
