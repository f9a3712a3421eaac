#include "tap/control.h"

#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <optional>
#include <string_view>
#include <utility>

#include "errno_name.h"
#include "fd.h"

namespace ecdock::tap {

namespace {

constexpr size_t kMaxAnswer = 4096;
constexpr timeval kPatience{5, 0};

struct Kept {
  std::string control;
  Fd connection;
};

thread_local std::optional<Kept> kept;

std::string escaped(std::string_view value) {
  constexpr char digits[] = "0123456789ABCDEF";
  std::string text;
  for (const char one : value) {
    const auto byte = static_cast<unsigned char>(one);
    if (byte > 0x20 && byte < 0x7f && byte != '%') {
      text += one;
    } else {
      text += {'%', digits[byte >> 4], digits[byte & 15]};
    }
  }
  return text;
}

std::string unescaped(std::string_view value) {
  std::string text;
  for (size_t i = 0; i < value.size(); ++i) {
    unsigned byte = 0;
    if (value[i] == '%' && i + 2 < value.size() &&
        std::from_chars(value.data() + i + 1, value.data() + i + 3, byte, 16).ec == std::errc()) {
      text += static_cast<char>(byte);
      i += 2;
    } else {
      text += value[i];
    }
  }
  return text;
}

std::string field(std::string_view line, std::string_view key) {
  const std::string start = " " + std::string(key) + "=";
  const size_t at = line.find(start);
  if (at == std::string_view::npos) return {};
  const std::string_view rest = line.substr(at + start.size());
  return unescaped(rest.substr(0, rest.find(' ')));
}

Result<Fd> dial(const std::string& path) {
  const char* op = "switch connect";
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path) return Error::from_errno(op, ENAMETOOLONG);
  path.copy(address.sun_path, path.size());
  Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return Error::from_errno(op, errno);
  (void)::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &kPatience, sizeof kPatience);
  (void)::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &kPatience, sizeof kPatience);
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return Error::from_errno(op, errno == EAGAIN ? ETIMEDOUT : errno);
  }
  return fd;
}

Status send_request(const Fd& connection, std::string_view request, std::optional<int> descriptor) {
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
  iovec part{const_cast<char*>(request.data()), request.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (descriptor) {
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(header), &*descriptor, sizeof(int));
  }
  // A request is far shorter than what a socket takes at once.
  const ssize_t sent = ::sendmsg(connection.get(), &message, MSG_NOSIGNAL);
  if (sent == static_cast<ssize_t>(request.size())) return Done{};
  return Error::from_errno("switch request", sent >= 0 || errno == EAGAIN ? ETIMEDOUT : errno);
}

Result<std::string> receive_answer(const Fd& connection) {
  const char* op = "switch answer";
  std::string answer;
  std::array<char, kMaxAnswer> space;
  while (answer.find('\n') == std::string::npos) {
    const ssize_t size = ::recv(connection.get(), space.data(), space.size(), 0);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return Error::from_errno(op, errno == EAGAIN ? ETIMEDOUT : errno);
    if (size == 0) return Error::from_errno(op, ECONNRESET);
    answer.append(space.data(), static_cast<size_t>(size));
    if (answer.size() > kMaxAnswer) return Error::from_errno(op, EBADMSG);
  }
  answer.resize(answer.find('\n'));
  return answer;
}

Result<Answer> ask(const std::string& control, const std::string& request, std::optional<int> descriptor) {
  if (auto last = std::exchange(kept, std::nullopt); last && last->control == control) {
    // The switch may have ended since: then the next one is asked.
    if (send_request(last->connection, request, descriptor).ok()) {
      return Answer(control, std::move(last->connection));
    }
  }
  auto connection = dial(control);
  if (!connection.ok()) return connection.error();
  if (auto sent = send_request(connection.value(), request, descriptor); !sent.ok()) return sent.error();
  return Answer(control, std::move(connection.value()));
}

Status read_answer(const Fd& connection) {
  auto answer = receive_answer(connection);
  if (!answer.ok()) return answer.error();
  const std::string& line = answer.value();
  if (line == "ok" || line.starts_with("ok ")) return Done{};
  const char* op = "switch";
  if (!line.starts_with("error ")) return Error::from_errno(op, EBADMSG);
  const int err = errno_number(field(line, "code"));
  return Error{op, err == 0 ? EPROTO : err, "the switch refused: " + field(line, "message"), {}};
}

}  // namespace

const Status& Answer::await() {
  if (told_) return *told_;
  told_ = read_answer(connection_);
  // After anything but a success the connection may be anywhere within an answer.
  if (told_->ok()) kept = Kept{control_, std::move(connection_)};
  return *told_;
}

void forget_kept_connection() { kept.reset(); }

Result<Answer> hand_over(const std::string& control, const Handover& handover, int tap) {
  std::string request = "tap port=" + std::to_string(handover.port) + " name=" + escaped(handover.name) +
                        " label=" + escaped(handover.label) + " vnet=1";
  if (!handover.vde.empty()) request += " vde=" + escaped(handover.vde);
  return ask(control, request + "\n", tap);
}

Status take_back(const std::string& control, uint32_t port) {
  auto answer = ask(control, "unplug port=" + std::to_string(port) + "\n", std::nullopt);
  if (!answer.ok()) return answer.error();
  return answer.value().await();
}

}  // namespace ecdock::tap
