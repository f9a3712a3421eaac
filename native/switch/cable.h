#pragma once

#include <functional>
#include <memory>
#include <string>

#include "switch/control_target.h"
#include "switch/datagram_endpoint.h"
#include "switch/event_loop.h"
#include "switch/tap_endpoint.h"
#include "switch/vde_connection.h"

namespace ecdock::vde {

// A tap with its connection to a VDE switch. When the switch goes away, the cable waits for it to come back;
// until then what the tap sends is dropped.
class Cable : public FrameSink {
 public:
  // What is told of a cable, besides the answer to its first connection.
  struct Listener {
    std::function<void(Cable&)> connected;
    std::function<void(Cable&)> disconnected;
    std::function<void(Cable&, const std::string&)> tap_lost;
  };

  Cable(EventLoop& loop, Tap tap, Identity identity, PortNumber number, std::string switch_directory,
        std::string own_directory, const Listener& listener);
  ~Cable() override;

  // Connects for the first time; `answer` is called now or later.
  void connect(std::function<void(Status)> answer);

  // Takes the tap's descriptor out, to be closed.
  Fd take_tap();

  void forward(Endpoint& from, std::span<Frame> frames) override;
  void lost(Endpoint& endpoint, const std::string& reason) override;

  PortNumber number() const { return tap_->port; }
  const Endpoint& tap() const { return *tap_; }
  const std::string& switch_directory() const { return switch_directory_; }
  bool connected() const { return remote_ != nullptr; }

 private:
  void dial(std::function<void(Status)> answer);
  void redial();
  void plugged(Fd data);
  void drop_connection();

  static constexpr int64_t kRedial = 1000;  // ms

  EventLoop& loop_;
  const std::string switch_directory_;
  const std::string own_directory_;
  const Listener& listener_;
  std::unique_ptr<Endpoint> tap_;
  std::unique_ptr<Endpoint> remote_;
  std::unique_ptr<VdeConnection> connection_;
  EventLoop::TimerId redial_ = 0;
};

}  // namespace ecdock::vde
