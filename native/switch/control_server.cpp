#include "switch/control_server.h"

#include <unistd.h>

#include "switch/control_session.h"
#include "switch/unix_socket.h"

namespace ecdock::vde {

ControlServer::ControlServer(EventLoop& loop, ControlTarget& target, Fd listener)
    : loop_(loop),
      target_(target),
      acceptor_(loop, std::move(listener), [this](Fd connection) { accept(std::move(connection)); }),
      sessions_(loop) {}

ControlServer::~ControlServer() {
  while (!sessions_.empty()) sessions_.front().end();
}

void ControlServer::accept(Fd connection) {
  const auto peer = peer_of(connection.get());
  if (!peer.ok() || (peer.value().uid != 0 && peer.value().uid != geteuid())) return;
  if (sessions_.size() == kMostSessions) return;
  ControlSession& session =
      sessions_.add(std::make_unique<ControlSession>(*this, std::move(connection), ++last_id_));
  if (!session.start().ok()) session.end();
}

void ControlServer::announce(const std::string& line) {
  // A session that cannot take it any more ends, and leaves the list.
  for (auto session = sessions_.begin(); session != sessions_.end();) (*session++)->announce(line);
}

}  // namespace ecdock::vde
