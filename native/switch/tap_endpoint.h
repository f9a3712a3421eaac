#pragma once

#include "switch/endpoint.h"

namespace ecdock::vde {

// A tap that somebody has opened, as it turned out to be.
struct Tap {
  Fd fd;
  bool offload = false;  // each frame has an Offload before it

  // Makes sure that the descriptor is a tap with IFF_NO_PI, and sets it up. With `offload` the kernel is
  // allowed to hand over unfinished checksums and whole segments. EINVAL when it is none. Waits for other
  // changes of links.
  static Result<Tap> adopt(Fd fd, bool offload);

  // Opens a tap of this name in the process's own namespace, which needs CAP_NET_ADMIN; not persistent.
  static Result<Tap> open(const std::string& name, bool offload);
};

class TapEndpoint : public Endpoint {
 public:
  TapEndpoint(EventLoop& loop, FrameSink& sink, Tap tap, Identity identity);

  void send(std::span<Frame> frames) override;
  void receive() override;
  bool offload() const override { return offload_; }

 private:
  void send_one(Frame& frame);

  const bool offload_;
  // Whether there will be more than one frame to be read.
  bool bursting_ = false;
  uint64_t last_round_ = 0;  // in which it was read
};

}  // namespace ecdock::vde
