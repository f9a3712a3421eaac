#include "switch/plug_server.h"

#include <algorithm>
#include <cerrno>

#include "switch/plug_session.h"
#include "switch/unix_socket.h"

namespace ecdock::vde {

PlugServer::PlugServer(EventLoop& loop, SlowThread& slow, Switch& target, Fd listener, std::string directory,
                       mode_t mode, Usher* usher)
    : loop_(loop),
      slow_(slow),
      switch_(target),
      listener_(std::move(listener)),
      directory_(std::move(directory)),
      mode_(mode),
      usher_(usher) {}

PlugServer::~PlugServer() {
  while (!sessions_.empty()) sessions_.front()->end("the switch ends");
  loop_.remove(listener_.get(), *this);
}

Status PlugServer::start() { return loop_.add(listener_.get(), EPOLLIN, *this); }

void PlugServer::on_ready(uint32_t) {
  // A few at a time: frames come first.
  for (int i = 0; i < 8; ++i) {
    Fd connection(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!connection.valid()) {
      if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
        // It would be told again at once; others may have closed something soon.
        loop_.change(listener_.get(), 0, *this);
        loop_.after(kPause, [this] { loop_.change(listener_.get(), EPOLLIN, *this); });
      }
      return;
    }
    const auto client = peer_of(connection.get());
    if (!client.ok()) continue;
    if (unplugged_ == kMostUnplugged) drop_oldest_unplugged();
    auto session = std::make_unique<PlugSession>(*this, std::move(connection), client.value(), ++last_id_);
    ++unplugged_;
    sessions_.push_back(std::move(session));
    if (!sessions_.back()->start().ok()) sessions_.back()->end("it cannot be waited for");
  }
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

PlugSession* PlugServer::session(uint64_t id) {
  const auto found =
      std::find_if(sessions_.begin(), sessions_.end(), [id](const auto& other) { return other->id() == id; });
  return found == sessions_.end() ? nullptr : found->get();
}

void PlugServer::forget(PlugSession& session) {
  const auto found = std::find_if(sessions_.begin(), sessions_.end(),
                                  [&session](const auto& other) { return other.get() == &session; });
  loop_.retire(std::move(*found));
  sessions_.erase(found);
}

}  // namespace ecdock::vde
