#pragma once

#include <map>
#include <memory>
#include <string>

#include "switch/cable.h"
#include "switch/control_server.h"
#include "switch/control_target.h"
#include "switch/options.h"
#include "switch/slow_thread.h"

namespace ecdock::vde {

// What the control socket can do in cable mode.
class CableControl : public ControlTarget {
 public:
  CableControl(const Options& options, EventLoop& loop, SlowThread& slow);

  void announce_to(ControlServer& server) { server_ = &server; }

  void add_tap(TapRequest request, Fd tap, std::function<void(Result<PortNumber>)> answer) override;
  void unplug(PortNumber port, std::function<void(Status)> answer) override;
  Result<std::string> list(std::optional<PortNumber> port) override;
  std::string status() override;
  Status set_max_ports(PortNumber number) override;
  void shut_down() override;

 private:
  Result<PortNumber> choose(std::optional<PortNumber> wanted) const;
  void plug(const TapRequest& request, Tap tap, std::function<void(Result<PortNumber>)> answer);
  std::unique_ptr<Cable> take(PortNumber number);
  void announce(const std::string& line);

  const Options& options_;
  EventLoop& loop_;
  SlowThread& slow_;
  ControlServer* server_ = nullptr;
  PortNumber max_ports_;
  const std::string own_directory_;
  Cable::Listener listener_;
  std::map<PortNumber, std::unique_ptr<Cable>> cables_;
  // Answers to add_tap() that wait for the switch of a cable.
  std::map<PortNumber, std::function<void(Result<PortNumber>)>> waiting_;
};

}  // namespace ecdock::vde
