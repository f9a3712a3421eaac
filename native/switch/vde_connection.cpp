#include "switch/vde_connection.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "switch/unix_socket.h"

namespace ecdock::vde {

VdeConnection::VdeConnection(EventLoop& loop, std::string switch_directory, std::string own_directory,
                             std::string description, Answer answer, std::function<void()> lost)
    : loop_(loop),
      switch_directory_(std::move(switch_directory)),
      own_directory_(std::move(own_directory)),
      description_(std::move(description)),
      answer_(std::move(answer)),
      lost_(std::move(lost)) {}

VdeConnection::~VdeConnection() {
  stop();
  if (!data_path_.empty()) unlink_socket(data_path_);
}

void VdeConnection::stop() {
  if (patience_ != 0) loop_.cancel(std::exchange(patience_, 0));
  if (!control_.valid()) return;
  loop_.remove(control_.get(), *this);
  control_.reset();
}

Status VdeConnection::open() {
  control_ = Fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!control_.valid()) return Error::from_errno("socket", errno);
  const Status connected = connect_to(control_.get(), switch_directory_ + "/ctl");
  if (!connected.ok()) return connected.error();
  const Status bound = bind_data();
  if (!bound.ok()) return bound.error();
  const auto request = encode_plug_request({false, 0, data_path_, description_});
  const ssize_t sent = send(control_.get(), request.data(), request.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  if (sent != static_cast<ssize_t>(request.size())) {
    return Error::from_errno("send a request to " + switch_directory_, sent < 0 ? errno : EAGAIN);
  }
  patience_ = loop_.after(kPatience, [this] {
    patience_ = 0;
    fail(Error{"cable", ETIMEDOUT, "the switch at " + switch_directory_ + " does not answer", {}});
  });
  return loop_.add(control_.get(), EPOLLIN, *this);
}

// The switch must be able to write to it, which may be another user's.
Status VdeConnection::bind_data() {
  data_ = Fd(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!data_.valid()) return Error::from_errno("socket", errno);
  struct stat ctl {};
  const bool stranger = stat((switch_directory_ + "/ctl").c_str(), &ctl) == 0 && ctl.st_uid != geteuid();
  const std::string name = "/.ecdock-" + std::to_string(getpid()) + "-" + std::to_string(data_.get());
  Status bound = Done{};
  for (const std::string& directory : {switch_directory_, own_directory_}) {
    const std::string path = directory + name;
    unlink_socket(path);
    bound = bind_at(data_.get(), path, stranger ? 0666 : 0600);
    if (!bound.ok()) continue;
    data_path_ = path;
    return bound;
  }
  return bound;
}

void VdeConnection::on_ready(uint32_t) {
  if (!data_.valid()) {
    // It says nothing more, so that this is its end.
    char nothing[64];
    if (recv(control_.get(), nothing, sizeof nothing, MSG_DONTWAIT) > 0) return;
    stop();
    lost_();
    return;
  }
  const ssize_t size =
      recv(control_.get(), reply_.data() + received_, reply_.size() - received_, MSG_DONTWAIT);
  if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (size <= 0) {
    return fail(
        Error{"cable", ECONNREFUSED, "the switch at " + switch_directory_ + " refuses the connection", {}});
  }
  received_ += static_cast<size_t>(size);
  if (received_ == reply_.size()) finish();
}

void VdeConnection::finish() {
  const auto reply = parse_plug_reply(reply_);
  const auto* const path = std::get_if<std::string>(&reply);
  if (path == nullptr) {
    return fail(
        Error{"cable", EPROTO, "what is at " + switch_directory_ + " answers as no VDE switch does", {}});
  }
  const Status connected = connect_to(data_.get(), *path);
  if (!connected.ok()) return fail(connected.error());
  loop_.cancel(patience_);
  patience_ = 0;
  // It has connected to ours before it answered.
  unlink_socket(data_path_);
  data_path_.clear();
  answer_(std::move(data_));
}

void VdeConnection::fail(Error error) {
  // It may be due at this moment, and there is one answer only.
  stop();
  answer_(std::move(error));
}

}  // namespace ecdock::vde
