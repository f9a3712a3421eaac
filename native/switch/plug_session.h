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
  PlugSession(PlugServer& server, Fd connection, const ucred& client, uint64_t id);
  ~PlugSession() override;
  Status start();

  void on_ready(uint32_t events) override;
  // Unplugs the client and closes its connection.
  void end(const std::string& reason);

  uint64_t id() const { return id_; }
  const Endpoint* endpoint() const { return endpoint_; }

 private:
  void read_request();
  void read_end();
  void connect(const PlugRequest& request);
  void usher_in(const PlugRequest& request);
  void refuse(const Error& error);
  Status plug(const PlugRequest& request, Result<Fd> data);
  std::string data_path(PortNumber port, int fd) const;
  Status answer(const std::string& path);

  PlugServer& server_;
  Fd connection_;
  const ucred client_;
  const uint64_t id_;
  bool asked_ = false;  // its request is there
  EventLoop::TimerId patience_ = 0;
  std::array<uint8_t, kMaxPlugRequest> request_;
  size_t received_ = 0;
  size_t ignored_ = 0;
  Endpoint* endpoint_ = nullptr;
  std::string path_;  // of the switch's datagram socket for it
};

}  // namespace ecdock::vde
