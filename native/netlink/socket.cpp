#include "netlink/socket.h"

#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <thread>

namespace ecdock::netlink {

namespace {

// Where hundreds of links come and go a second, most dumps are interrupted; a pause lets one through.
constexpr int kDumpTries = 200;
constexpr auto kDumpPause = std::chrono::microseconds(200);
// The kernel makes dump datagrams of up to 32 KiB when the reader offers as much.
constexpr size_t kReceiveBuffer = 64 * 1024;
// What was received is read before the next call, so the sockets of a thread can share one.
thread_local std::array<uint8_t, kReceiveBuffer> receive_buffer;

// Each answer takes about 1 KiB of the socket's receive queue, which holds 208 KiB unless an administrator
// has made it smaller (net.core.rmem_default).
constexpr size_t kRequestsAtOnce = 64;

}  // namespace

Result<Socket> Socket::open() {
  Fd fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
  if (!fd.valid()) return Error::from_errno("netlink socket", errno);
  const int on = 1;
  // Kernels older than one of these options just do without it: less text in errors, laxer dump filters.
  for (const int option : {NETLINK_EXT_ACK, NETLINK_CAP_ACK, NETLINK_GET_STRICT_CHK}) {
    (void)::setsockopt(fd.get(), SOL_NETLINK, option, &on, sizeof on);
  }
  return Socket(std::move(fd));
}

Status Socket::send(Bytes messages, std::string_view op) {
  sockaddr_nl kernel{};
  kernel.nl_family = AF_NETLINK;
  for (;;) {
    const ssize_t sent = ::sendto(fd_.get(), messages.data(), messages.size(), 0,
                                  reinterpret_cast<const sockaddr*>(&kernel), sizeof kernel);
    if (sent >= 0) return Done{};
    if (errno != EINTR) return Error::from_errno(std::string(op), errno);
  }
}

Result<Bytes> Socket::receive(std::string_view op) {
  for (;;) {
    sockaddr_nl sender{};
    iovec part{receive_buffer.data(), receive_buffer.size()};
    msghdr message{};
    message.msg_name = &sender;
    message.msg_namelen = sizeof sender;
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    const ssize_t length = ::recvmsg(fd_.get(), &message, 0);
    if (length < 0) {
      if (errno == EINTR) continue;
      return Error::from_errno(std::string(op), errno);
    }
    if (sender.nl_pid != 0) continue;  // only the kernel is believed
    if ((message.msg_flags & MSG_TRUNC) != 0) return Error::from_errno(std::string(op), EMSGSIZE);
    return Bytes(receive_buffer.data(), static_cast<size_t>(length));
  }
}

Status Socket::query(Request request, std::string_view op, bool one_answer, const Visit& visit) {
  if (auto sent = send(request.finish(++sequence_), op); !sent.ok()) return sent;
  for (;;) {
    auto datagram = receive(op);
    if (!datagram.ok()) return datagram.error();
    Messages messages(datagram.value());
    while (const auto message = messages.next()) {
      if (message->header.nlmsg_seq != sequence_) continue;  // the rest of an earlier, abandoned answer
      if (const auto end = parse_acknowledgement(*message)) {
        if (end->err != 0) return Error::from_errno(std::string(op), end->err, end->text);
        return Done{};
      }
      visit(*message);
      if (one_answer) return Done{};
    }
    if (messages.truncated()) return Error::from_errno(std::string(op), EBADMSG);
  }
}

Status Socket::get(Request request, std::string_view op, const Visit& visit) {
  return query(std::move(request), op, true, visit);
}

Status Socket::execute(Request request, std::string_view op) {
  return query(std::move(request), op, false, [](const Messages::Message&) {});
}

std::vector<Status> Socket::execute_all(std::vector<Request> requests, std::string_view op) {
  std::vector<Status> outcomes(requests.size(), Status(Done{}));
  for (size_t begin = 0; begin < requests.size(); begin += kRequestsAtOnce) {
    const size_t end = std::min(requests.size(), begin + kRequestsAtOnce);
    const uint32_t first = sequence_ + 1;
    std::vector<uint8_t> messages;
    for (size_t i = begin; i < end; ++i) {
      const auto message = requests[i].finish(++sequence_);
      messages.insert(messages.end(), message.begin(), message.end());
    }
    const auto fail_rest = [&](size_t from, const Error& error) {
      for (size_t i = from; i < outcomes.size(); ++i) outcomes[i] = error;
      return outcomes;
    };
    if (auto sent = send(messages, op); !sent.ok()) return fail_rest(begin, sent.error());
    for (size_t answered = begin; answered < end;) {
      auto datagram = receive(op);
      if (!datagram.ok()) return fail_rest(answered, datagram.error());
      Messages answers(datagram.value());
      while (const auto message = answers.next()) {
        const auto answer = parse_acknowledgement(*message);
        const uint32_t offset = message->header.nlmsg_seq - first;
        if (!answer || offset >= end - begin) continue;
        if (answer->err != 0)
          outcomes[begin + offset] = Error::from_errno(std::string(op), answer->err, answer->text);
        ++answered;
      }
      if (answers.truncated()) return fail_rest(answered, Error::from_errno(std::string(op), EBADMSG));
    }
  }
  return outcomes;
}

Result<int> Socket::ifindex(const std::string& name) {
  const char* op = "link get";
  ifreq request{};
  if (name.size() >= IFNAMSIZ) return Error::from_errno(op, ENODEV);
  name.copy(request.ifr_name, name.size());
  if (::ioctl(fd_.get(), SIOCGIFINDEX, &request) != 0) return Error::from_errno(op, errno);
  return request.ifr_ifindex;
}

Status Socket::dump(Request request, std::string_view op, const std::function<void()>& begin,
                    const Visit& visit) {
  for (int attempt = 0; attempt < kDumpTries; ++attempt) {
    begin();
    bool interrupted = false;
    auto outcome = query(request, op, false, [&](const Messages::Message& message) {
      if ((message.header.nlmsg_flags & NLM_F_DUMP_INTR) != 0) interrupted = true;
      visit(message);
    });
    if (!outcome.ok()) return outcome;
    if (!interrupted) return outcome;
    if (attempt > 0) std::this_thread::sleep_for(kDumpPause);
  }
  return Error{std::string(op),
               EAGAIN,
               std::string(op) + ": the namespace kept changing during " + std::to_string(kDumpTries) +
                   " attempts to read it",
               {}};
}

}  // namespace ecdock::netlink
