#include "switch/control_server.h"

#include <unistd.h>

#include <algorithm>

#include "switch/control_session.h"
#include "switch/unix_socket.h"

namespace ecdock::vde {

ControlServer::ControlServer(EventLoop& loop, ControlTarget& target, Fd listener)
    : loop_(loop), target_(target), listener_(std::move(listener)) {}

ControlServer::~ControlServer() {
  while (!sessions_.empty()) sessions_.front()->end();
  loop_.remove(listener_.get(), *this);
}

Status ControlServer::start() { return loop_.add(listener_.get(), EPOLLIN, *this); }

void ControlServer::on_ready(uint32_t) {
  Fd connection(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!connection.valid()) return;
  const auto peer = peer_of(connection.get());
  if (!peer.ok() || (peer.value().uid != 0 && peer.value().uid != geteuid())) return;
  if (sessions_.size() == kMostSessions) return;
  sessions_.push_back(std::make_unique<ControlSession>(*this, std::move(connection), ++last_id_));
  if (!sessions_.back()->start().ok()) sessions_.back()->end();
}

void ControlServer::announce(const std::string& line) {
  // A session that cannot take it any more ends, and leaves the list.
  for (auto session = sessions_.begin(); session != sessions_.end();) (*session++)->announce(line);
}

ControlSession* ControlServer::session(uint64_t id) {
  const auto found =
      std::find_if(sessions_.begin(), sessions_.end(), [id](const auto& other) { return other->id() == id; });
  return found == sessions_.end() ? nullptr : found->get();
}

void ControlServer::forget(ControlSession& session) {
  const auto found = std::find_if(sessions_.begin(), sessions_.end(),
                                  [&session](const auto& other) { return other.get() == &session; });
  if (found == sessions_.end()) return;
  loop_.retire(std::move(*found));
  sessions_.erase(found);
}

}  // namespace ecdock::vde
