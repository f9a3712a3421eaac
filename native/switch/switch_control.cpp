#include "switch/switch_control.h"

#include <unistd.h>

#include <cerrno>

#include "switch/control_message.h"
#include "switch/port_line.h"
#include "switch/tap_takeover.h"
#include "switch/version.h"

namespace ecdock::vde {

namespace {

constexpr char kUnplugged[] = "unplugged";

Error no_port(PortNumber number) {
  return Error{"control", ENXIO, "nothing is plugged into port " + std::to_string(number), {}};
}

}  // namespace

SwitchControl::SwitchControl(const Options& options, EventLoop& loop, SlowThread& slow, Switch& target,
                             PlugServer& clients)
    : options_(options), loop_(loop), slow_(slow), switch_(target), clients_(clients) {
  switch_.observe(*this);
}

SwitchControl::~SwitchControl() { switch_.ignore(*this); }

void SwitchControl::add_tap(TapRequest request, Fd fd, std::function<void(Result<PortNumber>)> answer) {
  if (!request.vde.empty()) {
    return answer(Error{"control", EINVAL, "vde= is for a process that was started with --cable", {}});
  }
  if (request.port) {
    const auto free = switch_.choose_port(request.port, Caller{geteuid(), {}});
    if (!free.ok()) {
      slow_.close(std::move(fd));
      return answer(free.error());
    }
  }
  take_over_tap(slow_, std::move(request), std::move(fd), options_.offload,
                [this, answer = std::move(answer)](const TapRequest& wanted, Result<Tap> tap) {
                  answer(attach(wanted, std::move(tap)));
                });
}

Result<PortNumber> SwitchControl::attach(const TapRequest& request, Result<Tap> tap) {
  if (!tap.ok()) return tap.error();
  const auto port = switch_.choose_port(request.port, Caller{geteuid(), {}});
  if (!port.ok()) {
    slow_.close(std::move(tap.value().fd));
    return port.error();
  }
  Identity identity = identity_of(request, tap.value(), Identity::Kind::tap);
  auto endpoint = std::make_unique<TapEndpoint>(loop_, switch_, std::move(tap.value()), std::move(identity));
  const Status attached = switch_.attach(port.value(), std::move(endpoint), Caller{geteuid(), {}});
  if (!attached.ok()) return attached.error();
  return port.value();
}

void SwitchControl::unplug(PortNumber number, std::function<void(Status)> answer) {
  Port* const port = switch_.port(number);
  if (port == nullptr || !port->active()) return answer(no_port(number));
  // Clients share a port, and a tap has its own.
  while (port->endpoints.size() > 1) unplug_endpoint(*port->endpoints.back(), kUnplugged, [] {});
  unplug_endpoint(*port->endpoints.front(), kUnplugged, [answer = std::move(answer)] { answer(Done{}); });
}

void SwitchControl::unplug_endpoint(Endpoint& endpoint, const std::string& reason,
                                    std::function<void()> done) {
  // A client takes its socket's file with it.
  if (clients_.end_session_of(endpoint, reason)) return done();
  auto taken = switch_.detach(endpoint, reason);
  Fd tap = taken->stop();
  loop_.retire(std::move(taken));
  slow_.close(std::move(tap), std::move(done));
}

Result<std::string> SwitchControl::list(std::optional<PortNumber> number) {
  if (number) {
    const Port* const port = switch_.port(*number);
    if (port == nullptr || !port->active()) return no_port(*number);
  }
  std::string lines;
  for (const Port* port : switch_.ports()) {
    if (number && port->number != *number) continue;
    for (const auto& endpoint : port->endpoints) lines += port_line(*endpoint);
  }
  return lines;
}

std::string SwitchControl::status() {
  size_t active = 0;
  for (const Port* port : switch_.ports()) active += port->active() ? 1 : 0;
  return ControlLine("ok")
      .field("pid", static_cast<uint64_t>(getpid()))
      .field("version", kVersion)
      .field("ports", active)
      .field("max-ports", switch_.max_ports())
      .field("hub", switch_.hub() ? 1 : 0)
      .field("offload", options_.offload ? 1 : 0)
      .field("dir", options_.directory)
      .field("mgmt", options_.mgmt)
      .field("label", options_.label)
      .take();
}

Status SwitchControl::set_max_ports(PortNumber number) { return switch_.set_max_ports(number); }

void SwitchControl::shut_down() { loop_.stop(); }

void SwitchControl::port_opened(const Port& port, const Endpoint& endpoint) {
  if (server_ == nullptr) return;
  server_->announce(port_added_line(port.number, endpoint.identity()));
}

void SwitchControl::port_closed(const Port& port, const std::string& reason) {
  if (server_ == nullptr) return;
  server_->announce(port_removed_line(port.number, reason));
}

}  // namespace ecdock::vde
