#pragma once

#include <string>

#include "switch/control_server.h"
#include "switch/control_target.h"
#include "switch/options.h"
#include "switch/plug_server.h"
#include "switch/slow_thread.h"
#include "switch/switch.h"
#include "switch/tap_endpoint.h"

namespace ecdock::vde {

// What the control socket can do to a switch; and it is told what happens there.
class SwitchControl : public ControlTarget, public SwitchObserver {
 public:
  SwitchControl(const Options& options, EventLoop& loop, SlowThread& slow, Switch& target,
                PlugServer& clients);
  ~SwitchControl() override;

  // Who watches hears what happens from then on.
  void announce_to(ControlServer& server) { server_ = &server; }

  void add_tap(TapRequest request, Fd tap, std::function<void(Result<PortNumber>)> answer) override;
  void unplug(PortNumber port, std::function<void(Status)> answer) override;
  // Takes one endpoint out, a client or a tap; `done` is called when its descriptor is closed.
  void unplug_endpoint(Endpoint& endpoint, const std::string& reason, std::function<void()> done);
  Result<std::string> list(std::optional<PortNumber> port) override;
  std::string status() override;
  Status set_max_ports(PortNumber number) override;
  void shut_down() override;

  void port_opened(const Port& port, const Endpoint& endpoint) override;
  void port_closed(const Port& port, const std::string& reason) override;

 private:
  Result<PortNumber> attach(const TapRequest& request, Result<Tap> tap);

  const Options& options_;
  EventLoop& loop_;
  SlowThread& slow_;
  Switch& switch_;
  PlugServer& clients_;
  ControlServer* server_ = nullptr;
};

}  // namespace ecdock::vde
