#include "probe/echo.h"

#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <sys/random.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <cstring>

#include "fd.h"
#include "netlink/ip_address.h"
#include "netns/network_namespace.h"

namespace ecdock::probe {

namespace {

using Clock = std::chrono::steady_clock;
using netlink::IpAddress;

// How often somebody who waits looks whether to stop, in ms.
constexpr double kLook = 100;

// Type, code, checksum, identifier, sequence number: the same eight bytes in both versions.
struct Packet {
  uint8_t type;
  uint8_t code;
  uint16_t checksum;
  uint16_t identifier;
  uint16_t sequence;
  uint64_t nonce;
};

struct Flight {
  Fd socket;
  IpAddress to;
  Packet sent{};
  Clock::time_point start;
  Clock::time_point deadline;
  bool waiting = false;
};

// The Internet checksum (RFC 1071). ICMPv6 needs none here: the kernel fills it in.
uint16_t internet_checksum(const Packet& packet) {
  uint16_t words[sizeof packet / 2];
  std::memcpy(words, &packet, sizeof packet);
  uint32_t sum = 0;
  for (const uint16_t word : words) sum += word;
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(~sum);
}

Result<Flight> launch(const Echo& echo) {
  Flight flight;
  const auto address = netlink::parse_ip_address(echo.address);
  if (!address) return Error{"probe", EINVAL, echo.address + " is not an IP address", {}};
  flight.to = *address;
  const bool v6 = address->family == AF_INET6;

  auto netns = netns::open_namespace(echo.netns);
  if (!netns.ok()) return netns.error();
  {
    auto inside = netns::Scope::enter(netns.value());
    if (!inside.ok()) return inside.error();
    flight.socket = Fd(::socket(address->family, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK,
                                v6 ? static_cast<int>(IPPROTO_ICMPV6) : static_cast<int>(IPPROTO_ICMP)));
    if (!flight.socket.valid()) return Error::from_errno("probe", errno);
  }
  (void)::getrandom(&flight.sent.identifier, sizeof flight.sent.identifier, 0);
  (void)::getrandom(&flight.sent.nonce, sizeof flight.sent.nonce, 0);
  flight.sent.type = v6 ? ICMP6_ECHO_REQUEST : ICMP_ECHO;
  if (!v6) flight.sent.checksum = internet_checksum(flight.sent);

  sockaddr_storage to{};
  socklen_t length;
  if (v6) {
    auto* in6 = reinterpret_cast<sockaddr_in6*>(&to);
    in6->sin6_family = AF_INET6;
    std::memcpy(&in6->sin6_addr, flight.to.bytes.data(), 16);
    length = sizeof *in6;
  } else {
    auto* in = reinterpret_cast<sockaddr_in*>(&to);
    in->sin_family = AF_INET;
    std::memcpy(&in->sin_addr, flight.to.bytes.data(), 4);
    length = sizeof *in;
  }
  flight.start = Clock::now();
  flight.deadline = flight.start + std::chrono::microseconds(static_cast<int64_t>(echo.timeout_ms * 1000));
  const ssize_t sent = ::sendto(flight.socket.get(), &flight.sent, sizeof flight.sent, 0,
                                reinterpret_cast<const sockaddr*>(&to), length);
  if (sent < 0) return Error::from_errno("probe", errno);
  flight.waiting = true;
  return flight;
}

// A raw ICMP socket hears every echo in its namespace: ours is known by its identifier and nonce.
bool is_reply(const Flight& flight, const uint8_t* data, size_t length) {
  uint8_t reply_type = ICMP6_ECHO_REPLY;
  if (flight.to.family == AF_INET) {  // raw IPv4 sockets get the IP header too
    if (length < sizeof(iphdr)) return false;
    const size_t header = static_cast<size_t>(data[0] & 0x0f) * 4;
    if (header > length) return false;
    data += header;
    length -= header;
    reply_type = ICMP_ECHOREPLY;
  }
  Packet packet;
  if (length < sizeof packet) return false;
  std::memcpy(&packet, data, sizeof packet);
  return packet.type == reply_type && packet.identifier == flight.sent.identifier &&
         packet.nonce == flight.sent.nonce;
}

void receive(Flight& flight, EchoOutcome& outcome) {
  uint8_t data[2048];
  for (;;) {
    const ssize_t length = ::recv(flight.socket.get(), data, sizeof data, 0);
    if (length < 0) {
      if (errno == EINTR) continue;
      if (errno != EAGAIN) {
        outcome.error = std::strerror(errno);
        flight.waiting = false;
      }
      return;
    }
    if (!is_reply(flight, data, static_cast<size_t>(length))) continue;
    outcome.reply = true;
    outcome.rtt_us = std::chrono::duration<double, std::micro>(Clock::now() - flight.start).count();
    flight.waiting = false;
    return;
  }
}

void await_replies(std::vector<Flight>& flights, std::vector<EchoOutcome>& outcomes,
                   const std::atomic<bool>& stop) {
  while (!stop) {
    std::vector<pollfd> polled;
    std::vector<size_t> owners;
    const auto now = Clock::now();
    auto next = Clock::time_point::max();
    for (size_t i = 0; i < flights.size(); ++i) {
      Flight& flight = flights[i];
      if (flight.waiting && flight.deadline <= now) flight.waiting = false;
      if (!flight.waiting) continue;
      next = std::min(next, flight.deadline);
      polled.push_back({flight.socket.get(), POLLIN, 0});
      owners.push_back(i);
    }
    if (polled.empty()) return;
    const double wait = std::min(kLook, std::chrono::duration<double, std::milli>(next - now).count());
    if (::poll(polled.data(), polled.size(), static_cast<int>(std::ceil(wait))) < 0 && errno != EINTR) return;
    for (size_t i = 0; i < polled.size(); ++i) {
      if (polled[i].revents != 0) receive(flights[owners[i]], outcomes[owners[i]]);
    }
  }
}

}  // namespace

std::vector<EchoOutcome> send_echoes(const std::vector<Echo>& echoes, const std::atomic<bool>& stop) {
  std::vector<EchoOutcome> outcomes(echoes.size());
  std::vector<Flight> flights;
  flights.reserve(echoes.size());
  for (size_t i = 0; i < echoes.size(); ++i) {
    auto launched = launch(echoes[i]);
    if (!launched.ok()) outcomes[i].error = launched.error().message;
    flights.push_back(launched.ok() ? std::move(launched.value()) : Flight{});
  }
  await_replies(flights, outcomes, stop);
  return outcomes;
}

}  // namespace ecdock::probe
