#pragma once

#include <deque>
#include <string>
#include <string_view>

#include "fd.h"
#include "switch/control_message.h"
#include "switch/control_target.h"
#include "switch/event_loop.h"
#include "switch/stream_output.h"

namespace ecdock::vde {

class ControlServer;

// One connection to the control socket. Requests are answered in order; while one waits for the kernel, those
// behind it wait, too.
class ControlSession : public Watcher {
 public:
  ControlSession(ControlServer& server, Fd connection, uint64_t id);
  Status start();

  uint64_t id() const { return id_; }
  void announce(const std::string& line);
  void on_ready(uint32_t events) override;
  void end();

 private:
  bool receive();  // false when the connection is at its end
  void take(Fd descriptor);
  // Nobody is left to be answered, but what was asked for is done, also behind a request that waits.
  void go_on_alone();
  void work();  // on the complete lines that are there
  void execute(std::string_view line);
  void add_tap(const ControlRequest& request);
  void unplug(const ControlRequest& request);
  void list(const ControlRequest& request);
  void set(const ControlRequest& request);
  void answer(const std::string& text);
  void answer_later(const std::string& text);
  void update();

  // More waits in the socket, where it holds up its sender.
  static constexpr size_t kMaxInput = 64 * 1024;
  static constexpr size_t kMaxDescriptors = 64;

  ControlServer& server_;
  Fd connection_;
  const uint64_t id_;
  std::string input_;
  std::deque<Fd> descriptors_;  // as they came; each `tap` takes the next one
  bool surplus_ = false;        // somebody sent more than one at once
  bool busy_ = false;           // a request waits for its answer
  bool watching_ = false;
  bool at_end_ = false;  // nothing more comes
  bool alone_ = false;   // nobody reads the answers
  StreamOutput output_;
};

}  // namespace ecdock::vde
