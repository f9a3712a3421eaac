#include "switch/console_server.h"

#include <sys/socket.h>

#include <algorithm>

#include "switch/console_session.h"

namespace ecdock::vde {

ConsoleServer::ConsoleServer(EventLoop& loop, Switch& target, ConsoleCommands& commands, Fd listener)
    : loop_(loop), commands_(commands), listener_(std::move(listener)), events_(target, *this) {}

ConsoleServer::~ConsoleServer() {
  while (!sessions_.empty()) sessions_.front()->end();
  loop_.remove(listener_.get(), *this);
}

Status ConsoleServer::start() { return loop_.add(listener_.get(), EPOLLIN, *this); }

void ConsoleServer::on_ready(uint32_t) {
  Fd connection(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!connection.valid() || sessions_.size() == kMostSessions) return;
  sessions_.push_back(std::make_unique<ConsoleSession>(*this, std::move(connection)));
  if (!sessions_.back()->start().ok()) sessions_.back()->end();
}

uint32_t ConsoleServer::wanted_events() const {
  uint32_t events = 0;
  for (const auto& session : sessions_) events |= session->wanted_events();
  return events;
}

void ConsoleServer::hear(uint32_t category, const std::string& line) {
  for (auto session = sessions_.begin(); session != sessions_.end();) (*session++)->hear(category, line);
}

void ConsoleServer::forget(ConsoleSession& session) {
  const auto found = std::find_if(sessions_.begin(), sessions_.end(),
                                  [&session](const auto& other) { return other.get() == &session; });
  if (found == sessions_.end()) return;
  loop_.retire(std::move(*found));
  sessions_.erase(found);
}

}  // namespace ecdock::vde
