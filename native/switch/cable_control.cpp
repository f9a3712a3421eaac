#include "switch/cable_control.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "switch/control_message.h"
#include "switch/port_line.h"
#include "switch/switch.h"
#include "switch/tap_takeover.h"
#include "switch/version.h"

namespace ecdock::vde {

namespace {

Error refusal(int err, std::string message) { return Error{"cable", err, std::move(message), {}}; }

std::string directory_of(std::string path) {
  const size_t slash = path.rfind('/');
  path.resize(slash == std::string::npos ? 0 : std::max<size_t>(slash, 1));
  return path.empty() ? std::string(1, '.') : path;
}

}  // namespace

CableControl::CableControl(const Options& options, EventLoop& loop, SlowThread& slow)
    : options_(options),
      loop_(loop),
      slow_(slow),
      max_ports_(options.ports),
      own_directory_(directory_of(options.control)) {
  listener_.connected = [this](Cable& cable) {
    announce(ControlLine("event port-connected").field("n", cable.number()).take());
  };
  listener_.disconnected = [this](Cable& cable) {
    announce(ControlLine("event port-disconnected").field("n", cable.number()).take());
  };
  listener_.tap_lost = [this](Cable& cable, const std::string& reason) {
    const PortNumber number = cable.number();
    const auto taken = take(number);
    announce(port_removed_line(number, reason));
  };
}

Result<PortNumber> CableControl::choose(std::optional<PortNumber> wanted) const {
  if (wanted) {
    if (*wanted > max_ports_) return refusal(ENOSPC, "there is no port " + std::to_string(*wanted));
    if (cables_.contains(*wanted)) return refusal(EBUSY, "port " + std::to_string(*wanted) + " is taken");
    return *wanted;
  }
  for (PortNumber number = 1; number <= max_ports_; ++number) {
    if (!cables_.contains(number)) return number;
  }
  return refusal(ENOSPC, "all " + std::to_string(max_ports_) + " ports are taken; more are allowed by -n");
}

void CableControl::add_tap(TapRequest request, Fd fd, std::function<void(Result<PortNumber>)> answer) {
  if (request.vde.empty() || request.vde[0] != '/') {
    return answer(
        refusal(EINVAL, "in cable mode a tap needs vde=DIRECTORY, the absolute path of a switch's sockets"));
  }
  take_over_tap(slow_, std::move(request), std::move(fd), options_.offload,
                [this, answer = std::move(answer)](const TapRequest& wanted, Result<Tap> tap) {
                  if (!tap.ok()) return answer(tap.error());
                  plug(wanted, std::move(tap.value()), answer);
                });
}

void CableControl::plug(const TapRequest& request, Tap tap, std::function<void(Result<PortNumber>)> answer) {
  const auto chosen = choose(request.port);
  if (!chosen.ok()) {
    slow_.close(std::move(tap.fd));
    return answer(chosen.error());
  }
  const PortNumber number = chosen.value();
  Identity identity = identity_of(request, tap, Identity::Kind::cable);
  auto& cable = cables_[number];
  cable = std::make_unique<Cable>(loop_, std::move(tap), std::move(identity), number, request.vde,
                                  own_directory_, listener_);
  waiting_[number] = std::move(answer);
  cable->connect([this, number](const Status& connected) {
    const auto answer = std::move(waiting_.extract(number).mapped());
    if (!connected.ok()) {
      const auto taken = take(number);
      return answer(connected.error());
    }
    announce(port_added_line(number, cables_[number]->tap().identity()));
    answer(number);
  });
}

// Its tap is closed on the other thread.
std::unique_ptr<Cable> CableControl::take(PortNumber number) {
  auto node = cables_.extract(number);
  slow_.close(node.mapped()->take_tap());
  return std::move(node.mapped());
}

void CableControl::unplug(PortNumber number, std::function<void(Status)> answer) {
  const auto found = cables_.find(number);
  if (found == cables_.end()) {
    return answer(refusal(ENXIO, "nothing is plugged into port " + std::to_string(number)));
  }
  Fd tap = found->second->take_tap();
  cables_.erase(found);
  if (const auto waiting = waiting_.extract(number)) {
    waiting.mapped()(refusal(ECANCELED, "it was unplugged before its switch had answered"));
  } else {
    announce(port_removed_line(number, "unplugged"));
  }
  slow_.close(std::move(tap), [answer = std::move(answer)] { answer(Done{}); });
}

Result<std::string> CableControl::list(std::optional<PortNumber> number) {
  if (number && !cables_.contains(*number)) {
    return refusal(ENXIO, "nothing is plugged into port " + std::to_string(*number));
  }
  std::string lines;
  for (const auto& [port, cable] : cables_) {
    if (number && port != *number) continue;
    std::string line = port_line(cable->tap());
    line.pop_back();
    lines += ControlLine(line)
                 .field("vde", cable->switch_directory())
                 .field("connected", cable->connected() ? 1 : 0)
                 .take();
  }
  return lines;
}

std::string CableControl::status() {
  return ControlLine("ok")
      .field("pid", static_cast<uint64_t>(getpid()))
      .field("version", kVersion)
      .field("ports", cables_.size())
      .field("max-ports", max_ports_)
      .field("hub", 0)
      .field("offload", options_.offload ? 1 : 0)
      .field("cable", 1)
      .field("dir", "")
      .field("mgmt", "")
      .field("label", options_.label)
      .take();
}

Status CableControl::set_max_ports(PortNumber number) {
  if (number < 1 || number > Switch::kMostPorts)
    return refusal(EINVAL, "the number of ports is from 1 to 65535");
  if (!cables_.empty() && cables_.rbegin()->first > number) return refusal(EBUSY, "a port beyond is in use");
  max_ports_ = number;
  return Done{};
}

void CableControl::shut_down() { loop_.stop(); }

void CableControl::announce(const std::string& line) {
  if (server_ != nullptr) server_->announce(line);
}

}  // namespace ecdock::vde
