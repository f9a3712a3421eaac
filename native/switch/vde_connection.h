#pragma once

#include <array>
#include <functional>
#include <string>

#include "fd.h"
#include "result.h"
#include "switch/event_loop.h"
#include "switch/plug_request.h"

namespace ecdock::vde {

// A client's connection to a VDE switch of any make: its handshake, and the end of it.
class VdeConnection : public Watcher {
 public:
  // The connected datagram socket, or why there is none; once.
  using Answer = std::function<void(Result<Fd>)>;

  // `own_directory`: where the datagram socket is bound when the switch's directory may not be written to.
  // `lost` is called when the switch closes the connection after it has answered.
  VdeConnection(EventLoop& loop, std::string switch_directory, std::string own_directory,
                std::string description, Answer answer, std::function<void()> lost);
  ~VdeConnection() override;

  // Begins; what fails at once is given back, and not told to `answer`.
  Status open();

  // From now on nobody is called; to be used before it is retired, when there may be events for it yet.
  void stop();

  void on_ready(uint32_t events) override;

 private:
  Status bind_data();
  void fail(Error error);
  void finish();

  static constexpr int64_t kPatience = 5000;  // ms

  EventLoop& loop_;
  const std::string switch_directory_;
  const std::string own_directory_;
  const std::string description_;
  Answer answer_;
  std::function<void()> lost_;
  Fd control_;
  Fd data_;
  std::string data_path_;  // until the switch has connected to it
  std::array<uint8_t, kPlugReply> reply_;
  size_t received_ = 0;
  EventLoop::TimerId patience_ = 0;
};

}  // namespace ecdock::vde
