#include "switch/plug_session.h"

#include <syslog.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "switch/client_socket.h"
#include "switch/datagram_endpoint.h"
#include "switch/log.h"
#include "switch/plug_server.h"
#include "switch/unix_socket.h"

namespace ecdock::vde {

namespace {

// What a client may write behind its request before it is taken for a flood.
constexpr size_t kMostIgnored = 64 * 1024;

}  // namespace

PlugSession::PlugSession(PlugServer& server, Fd connection, const ucred& client, uint64_t id)
    : server_(server), connection_(std::move(connection)), client_(client), id_(id) {}

PlugSession::~PlugSession() = default;

Status PlugSession::start() {
  patience_ = server_.loop_.after(PlugServer::kPatience, [this] { end("it has sent no request"); });
  return server_.loop_.add(connection_.get(), EPOLLIN, *this);
}

void PlugSession::on_ready(uint32_t) {
  if (!asked_) {
    read_request();
  } else {
    read_end();
  }
}

void PlugSession::read_request() {
  const ssize_t size =
      recv(connection_.get(), request_.data() + received_, request_.size() - received_, MSG_DONTWAIT);
  if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (size <= 0) {
    end("it has gone");
    return;
  }
  received_ += static_cast<size_t>(size);
  const auto read = parse_plug_request({request_.data(), received_});
  if (std::holds_alternative<Incomplete>(read)) return;
  asked_ = true;
  if (const auto* malformed = std::get_if<Malformed>(&read)) {
    return refuse(Error{"plug", EPROTO, "its request is malformed: " + malformed->why, {}});
  }
  connect(std::get<PlugRequest>(read));
}

void PlugSession::connect(const PlugRequest& request) {
  if (server_.usher_ != nullptr && client_.uid != 0 && client_.uid != geteuid()) return usher_in(request);
  const Status plugged = plug(request, connect_to_client(request.socket_path, client_));
  if (!plugged.ok()) refuse(plugged.error());
}

void PlugSession::usher_in(const PlugRequest& request) {
  server_.usher_->connect(request.socket_path, client_, groups_of_peer(connection_.get(), client_),
                          [request, &server = server_, id = id_](Result<Fd> data) {
                            PlugSession* const session = server.sessions_.find(id);
                            if (session == nullptr) return;
                            const Status plugged = session->plug(request, std::move(data));
                            if (!plugged.ok()) session->refuse(plugged.error());
                          });
}

void PlugSession::refuse(const Error& error) {
  log_line(LOG_WARNING, "refused a client of user " + std::to_string(client_.uid) + ", process " +
                            std::to_string(client_.pid) + ": " + error.message);
  end("refused");
}

// A plugged-in client writes nothing more, so that there is only its end to be read.
void PlugSession::read_end() {
  uint8_t nothing[512];
  const ssize_t size = recv(connection_.get(), nothing, sizeof nothing, MSG_DONTWAIT);
  if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (size > 0 && (ignored_ += static_cast<size_t>(size)) <= kMostIgnored) return;
  // What it sent before it went.
  if (endpoint_ != nullptr) endpoint_->receive();
  end(size > 0 ? "it floods its control connection" : "the client has gone");
}

Status PlugSession::plug(const PlugRequest& request, Result<Fd> data) {
  if (!data.ok()) return data.error();
  const bool any = !request.port_zero && request.port == 0;
  const auto wanted = any ? std::optional<PortNumber>() : std::optional<PortNumber>(request.port);
  const Caller caller{client_.uid, groups_of_peer(connection_.get(), client_)};
  const auto port = server_.switch_.choose_port(wanted, caller);
  if (!port.ok()) return port.error();

  const int number = data.value().get();
  path_ = data_path(port.value(), number);
  // Only the connected client can send to it, whatever the file's mode, because that is how the kernel treats
  // connected datagram sockets; and it is opened by nobody else's right. Its owner cannot be changed without
  // privileges.
  const mode_t mode = client_.uid == geteuid() || client_.uid == 0 ? server_.mode_ & 0700 : 0666;
  unlink_socket(path_);
  const Status bound = bind_at(number, path_, mode);
  if (!bound.ok()) {
    path_.clear();
    return bound.error();
  }
  Identity identity;
  identity.kind = Identity::Kind::vde;
  identity.description = request.description;
  identity.pid = client_.pid;
  identity.uid = client_.uid;
  identity.id = connection_.get();
  auto endpoint = std::make_unique<DatagramEndpoint>(server_.loop_, server_.switch_, std::move(data.value()),
                                                     std::move(identity));
  Endpoint* const plugged = endpoint.get();
  const Status attached = server_.switch_.attach(port.value(), std::move(endpoint), caller);
  if (!attached.ok()) return attached.error();
  endpoint_ = plugged;
  --server_.unplugged_;
  server_.loop_.cancel(patience_);
  patience_ = 0;
  return answer(path_);
}

std::string PlugSession::data_path(PortNumber port, int fd) const {
  // vde_switch's form.
  char name[32];
  std::snprintf(name, sizeof name, "/%03u.%d", port, fd);
  return server_.directory_ + name;
}

Status PlugSession::answer(const std::string& path) {
  const auto reply = encode_plug_reply(path);
  const ssize_t size = send(connection_.get(), reply.data(), reply.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  if (size == static_cast<ssize_t>(reply.size())) return Done{};
  return Error::from_errno("answer", size < 0 ? errno : EAGAIN);
}

void PlugSession::end(const std::string& reason) {
  if (!connection_.valid()) return;
  if (endpoint_ != nullptr) {
    auto endpoint = server_.switch_.detach(*endpoint_, reason);
    endpoint->stop();
    server_.loop_.retire(std::move(endpoint));
    endpoint_ = nullptr;
  } else {
    --server_.unplugged_;
  }
  if (patience_ != 0) server_.loop_.cancel(patience_);
  if (!path_.empty()) unlink_socket(path_);
  server_.loop_.remove(connection_.get(), *this);
  connection_.reset();
  server_.sessions_.forget(*this);
}

}  // namespace ecdock::vde
