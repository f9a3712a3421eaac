#pragma once

#include <sys/socket.h>

#include <array>
#include <string>

#include "fd.h"
#include "switch/event_loop.h"
#include "switch/plug_request.h"
#include "switch/switch.h"

namespace ecdock::vde {

class PlugServer;

// One client's connection to DIR/ctl: it is plugged in by its request, and out when it closes the connection.
class PlugSession : public Watcher {
 public:
  PlugSession(PlugServer& server, Fd connection, const ucred& client);
  ~PlugSession() override;
  Status start();

  void on_ready(uint32_t events) override;
  // Unplugs the client and closes its connection.
  void end(const std::string& reason);

  const Endpoint* endpoint() const { return endpoint_; }

 private:
  void read_request();
  void read_end();
  Status plug(const PlugRequest& request);
  std::string data_path(PortNumber port, int fd) const;
  Status answer(const std::string& path);

  PlugServer& server_;
  Fd connection_;
  const ucred client_;
  EventLoop::TimerId patience_ = 0;
  std::array<uint8_t, kMaxPlugRequest> request_;
  size_t received_ = 0;
  size_t ignored_ = 0;
  Endpoint* endpoint_ = nullptr;
  std::string path_;  // of the switch's datagram socket for it
};

}  // namespace ecdock::vde
