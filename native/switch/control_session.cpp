#include "switch/control_session.h"

#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "switch/control_server.h"
#include "switch/switch.h"

namespace ecdock::vde {

namespace {

// A list of all ports that there can be fits; only who may control the switch can make it hold so much.
constexpr size_t kMaxOutput = 64 * 1024 * 1024;
// Events for one who does not read them.
constexpr size_t kMaxUnread = 256 * 1024;
constexpr size_t kMaxLabel = 512;
constexpr size_t kMaxInterfaceName = 15;
constexpr size_t kMostDescriptorsAtOnce = 4;

Error invalid(std::string message) { return Error{"control", EINVAL, std::move(message), {}}; }

}  // namespace

ControlSession::ControlSession(ControlServer& server, Fd connection, uint64_t id)
    : server_(server), connection_(std::move(connection)), id_(id), output_(kMaxOutput) {}

Status ControlSession::start() { return server_.loop_.add(connection_.get(), EPOLLIN, *this); }

void ControlSession::on_ready(uint32_t events) {
  const bool unread = (events & EPOLLOUT) && !output_.flush(connection_.get());
  if (unread || (events & (EPOLLHUP | EPOLLERR))) return go_on_alone();
  if ((events & EPOLLIN) && !receive()) at_end_ = true;
  work();
}

void ControlSession::go_on_alone() {
  for (size_t size = 0; receive() && size < input_.size();) size = input_.size();
  at_end_ = true;
  alone_ = true;
  server_.loop_.remove(connection_.get(), *this);
  work();
}

bool ControlSession::receive() {
  char bytes[4096];
  iovec part{bytes, sizeof bytes};
  alignas(cmsghdr) char control[CMSG_SPACE(kMostDescriptorsAtOnce * sizeof(int))];
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  const ssize_t size = recvmsg(connection_.get(), &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (size < 0) return errno == EAGAIN || errno == EINTR;
  if (message.msg_flags & MSG_CTRUNC) surplus_ = true;
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr; header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    const size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    if (count > 1) surplus_ = true;
    for (size_t i = 0; i < count; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(header) + i * sizeof fd, sizeof fd);
      take(Fd(fd));
    }
  }
  if (size == 0) return false;
  input_.append(bytes, static_cast<size_t>(size));
  return true;
}

void ControlSession::take(Fd descriptor) {
  if (descriptors_.size() == kMaxDescriptors) {
    surplus_ = true;
    return;
  }
  descriptors_.push_back(std::move(descriptor));
}

void ControlSession::work() {
  while (!busy_ && connection_.valid()) {
    const size_t length = input_.find('\n');
    if (length == std::string::npos || length > kMaxControlLine) {
      if (input_.size() <= kMaxControlLine) break;
      const std::string longest = std::to_string(kMaxControlLine);
      answer(control_error(Error{"control", EMSGSIZE, "a request is longer than " + longest + " bytes", {}}));
      return end();
    }
    const std::string line = input_.substr(0, length);
    input_.erase(0, length + 1);
    execute(line);
  }
  if (!connection_.valid()) return;
  // Those that no request wanted.
  if (input_.empty() && !busy_) descriptors_.clear();
  if (at_end_ && !busy_ && (alone_ || output_.empty())) return end();
  update();
}

void ControlSession::execute(std::string_view line) {
  const auto parsed = parse_control_request(line);
  if (!parsed.ok()) return answer(control_error(parsed.error()));
  const ControlRequest& request = parsed.value();
  if (request.verb == "tap") return add_tap(request);
  if (request.verb == "unplug") return unplug(request);
  if (request.verb == "list") return list(request);
  if (request.verb == "set") return set(request);
  if (request.verb == "status") return answer(server_.target_.status());
  if (request.verb == "watch") {
    watching_ = true;
    return answer("ok\n");
  }
  if (request.verb == "shutdown") {
    answer("ok\n");
    return server_.target_.shut_down();
  }
  answer(
      control_error(Error{"control",
                          EOPNOTSUPP,
                          escape_control_value(request.verb) +
                              " is not known; there are tap, unplug, list, status, set, watch and shutdown",
                          {}}));
}

void ControlSession::add_tap(const ControlRequest& request) {
  Fd tap;
  if (!descriptors_.empty()) {
    tap = std::move(descriptors_.front());
    descriptors_.pop_front();
  }
  if (surplus_ || !tap.valid()) {
    surplus_ = false;
    descriptors_.clear();
    return answer(control_error(invalid("a tap comes with exactly one descriptor, in SCM_RIGHTS")));
  }
  const auto port = request.number("port", Switch::kMostPorts);
  if (!port.ok()) return answer(control_error(port.error()));
  TapRequest wanted;
  wanted.port = port.value();
  wanted.name = request.text("name").value_or("");
  wanted.label = request.text("label").value_or("");
  wanted.vde = request.text("vde").value_or("");
  if (wanted.port == 0U) return answer(control_error(invalid("ports of taps are numbered from 1")));
  if (wanted.name.size() > kMaxInterfaceName)
    return answer(control_error(invalid("a name has at most 15 bytes")));
  if (wanted.label.size() > kMaxLabel) return answer(control_error(invalid("a label has at most 512 bytes")));
  busy_ = true;
  server_.target_.add_tap(
      std::move(wanted), std::move(tap), [&server = server_, id = id_](Result<PortNumber> number) {
        ControlSession* const session = server.sessions_.find(id);
        if (session == nullptr) return;
        session->answer_later(number.ok() ? ControlLine("ok").field("port", number.value()).take()
                                          : control_error(number.error()));
      });
}

void ControlSession::unplug(const ControlRequest& request) {
  const auto port = request.number("port", Switch::kMostPorts);
  if (!port.ok()) return answer(control_error(port.error()));
  if (!port.value()) return answer(control_error(invalid("unplug needs port=N")));
  busy_ = true;
  server_.target_.unplug(*port.value(), [&server = server_, id = id_](const Status& status) {
    ControlSession* const session = server.sessions_.find(id);
    if (session == nullptr) return;
    session->answer_later(status.ok() ? "ok\n" : control_error(status.error()));
  });
}

void ControlSession::list(const ControlRequest& request) {
  const auto port = request.number("port", Switch::kMostPorts);
  if (!port.ok()) return answer(control_error(port.error()));
  const auto lines = server_.target_.list(port.value());
  answer(lines.ok() ? lines.value() + "ok\n" : control_error(lines.error()));
}

void ControlSession::set(const ControlRequest& request) {
  const auto ports = request.number("max-ports", Switch::kMostPorts);
  if (!ports.ok()) return answer(control_error(ports.error()));
  if (!ports.value()) return answer(control_error(invalid("set needs max-ports=N")));
  const Status set = server_.target_.set_max_ports(*ports.value());
  answer(set.ok() ? "ok\n" : control_error(set.error()));
}

void ControlSession::announce(const std::string& line) {
  if (!watching_) return;
  answer(line);
  if (connection_.valid() && output_.size() > kMaxUnread) end();
}

void ControlSession::answer(const std::string& text) {
  if (!connection_.valid() || alone_) return;
  // That nobody reads it any more is told by the loop, too.
  if (!output_.write(connection_.get(), text) && output_.size() > kMaxOutput) return end();
  update();
}

void ControlSession::answer_later(const std::string& text) {
  busy_ = false;
  answer(text);
  work();
}

// Only so much is read as can be worked on, and written when there is something left.
void ControlSession::update() {
  if (alone_) return;
  const bool reading = !at_end_ && !busy_ && input_.size() < kMaxInput && output_.size() < kMaxUnread;
  const uint32_t events = (reading ? EPOLLIN : 0U) | (output_.empty() ? 0U : EPOLLOUT);
  server_.loop_.change(connection_.get(), events, *this);
}

void ControlSession::end() {
  if (!connection_.valid()) return;
  if (!alone_) server_.loop_.remove(connection_.get(), *this);
  connection_.reset();
  server_.sessions_.forget(*this);
}

}  // namespace ecdock::vde
