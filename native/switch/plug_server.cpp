#include "switch/plug_server.h"

#include <algorithm>

#include "switch/plug_session.h"
#include "switch/unix_socket.h"

namespace ecdock::vde {

PlugServer::PlugServer(EventLoop& loop, Switch& target, Fd listener, std::string directory, mode_t mode,
                       Usher* usher)
    : loop_(loop),
      switch_(target),
      acceptor_(loop, std::move(listener), [this](Fd connection) { accept(std::move(connection)); }),
      directory_(std::move(directory)),
      mode_(mode),
      usher_(usher),
      sessions_(loop) {}

PlugServer::~PlugServer() {
  while (!sessions_.empty()) sessions_.front().end("the switch ends");
}

void PlugServer::accept(Fd connection) {
  const auto client = peer_of(connection.get());
  if (!client.ok()) return;
  if (unplugged_ == kMostUnplugged) drop_oldest_unplugged();
  ++unplugged_;
  PlugSession& session =
      sessions_.add(std::make_unique<PlugSession>(*this, std::move(connection), client.value(), ++last_id_));
  if (!session.start().ok()) session.end("it cannot be waited for");
}

void PlugServer::drop_oldest_unplugged() {
  const auto oldest = std::find_if(sessions_.begin(), sessions_.end(),
                                   [](const auto& session) { return session->endpoint() == nullptr; });
  if (oldest != sessions_.end()) (*oldest)->end("too many connect and send nothing");
}

bool PlugServer::end_session_of(const Endpoint& endpoint, const std::string& reason) {
  for (const auto& session : sessions_) {
    if (session->endpoint() != &endpoint) continue;
    session->end(reason);
    return true;
  }
  return false;
}

}  // namespace ecdock::vde
