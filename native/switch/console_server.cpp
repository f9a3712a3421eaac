#include "switch/console_server.h"

#include "switch/console_session.h"

namespace ecdock::vde {

ConsoleServer::ConsoleServer(EventLoop& loop, Switch& target, ConsoleCommands& commands, Fd listener)
    : loop_(loop),
      commands_(commands),
      acceptor_(loop, std::move(listener), [this](Fd connection) { accept(std::move(connection)); }),
      sessions_(loop),
      events_(target, *this) {}

ConsoleServer::~ConsoleServer() {
  while (!sessions_.empty()) sessions_.front().end();
}

void ConsoleServer::accept(Fd connection) {
  if (sessions_.size() == kMostSessions) return;
  ConsoleSession& session = sessions_.add(std::make_unique<ConsoleSession>(*this, std::move(connection)));
  if (!session.start().ok()) session.end();
}

uint32_t ConsoleServer::wanted_events() const {
  uint32_t events = 0;
  for (const auto& session : sessions_) events |= session->wanted_events();
  return events;
}

void ConsoleServer::hear(uint32_t category, const std::string& line) {
  for (auto session = sessions_.begin(); session != sessions_.end();) (*session++)->hear(category, line);
}

}  // namespace ecdock::vde
