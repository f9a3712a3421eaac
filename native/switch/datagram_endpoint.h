#pragma once

#include "switch/endpoint.h"

namespace ecdock::vde {

// A connected Unix datagram socket: one datagram is one frame, as all VDE programs have it.
class DatagramEndpoint : public Endpoint {
 public:
  DatagramEndpoint(EventLoop& loop, FrameSink& sink, Fd fd, Identity identity);

  void send(std::span<Frame> frames) override;
  void receive() override;

 protected:
  Written write_frames(std::span<const iovec> frames) override;
};

}  // namespace ecdock::vde
