#include "switch/switch.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "switch/vlan_tag.h"

namespace ecdock::vde {

namespace {

Error refusal(int err, std::string message) { return Error{"switch", err, std::move(message), {}}; }

bool is_group(const uint8_t* mac) { return mac[0] & 1; }

// Both addresses, which are what a frame begins with.
bool same_stations(const Frame& a, const Frame& b) { return std::memcmp(a.bytes, b.bytes, 12) == 0; }

}  // namespace

Switch::Switch(EventLoop& loop, PortNumber max_ports) : loop_(loop), max_ports_(max_ports) {
  forgotten_ = [this](const ForwardingTable::Entry& entry) {
    for (SwitchObserver* observer : observers_) observer->station_forgotten(entry);
  };
}

Port* Switch::port(PortNumber number) { return number < ports_.size() ? ports_[number].get() : nullptr; }

std::vector<Port*> Switch::ports() {
  std::vector<Port*> found;
  for (const auto& port : ports_) {
    if (port) found.push_back(port.get());
  }
  return found;
}

Port& Switch::need_port(PortNumber number) {
  if (number >= ports_.size()) ports_.resize(number + 1);
  if (!ports_[number]) ports_[number] = std::make_unique<Port>(number);
  return *ports_[number];
}

// What somebody has set up stays for whoever comes next.
void Switch::drop_unused(PortNumber number) {
  const Port& port = *ports_[number];
  const bool set_up = port.reserved || port.allowed_user || port.allowed_group || port.untagged_vlan != 0 ||
                      !port.tagged_vlans.empty();
  if (!port.active() && !set_up) ports_[number].reset();
}

Result<PortNumber> Switch::choose_port(std::optional<PortNumber> wanted, const Caller& caller) {
  if (!wanted) {
    for (PortNumber number = 1; number <= max_ports_; ++number) {
      const Port* const port = this->port(number);
      if (port == nullptr ||
          (!port->active() && !port->reserved && !port->allowed_user && !port->allowed_group)) {
        return number;
      }
    }
    return refusal(ENOSPC, "all " + std::to_string(max_ports_) + " ports are taken; more are allowed by -n");
  }
  if (*wanted > max_ports_) {
    return refusal(ENOSPC, "there is no port " + std::to_string(*wanted) + "; the last one is " +
                               std::to_string(max_ports_) + ", and more are allowed by -n");
  }
  const Port* const port = this->port(*wanted);
  if (port == nullptr) return *wanted;
  if (port->active() && port->user != caller.uid) {
    return refusal(EBUSY, "port " + std::to_string(*wanted) + " is taken");
  }
  if (port->endpoints.size() == Port::kMostEndpoints) {
    return refusal(EBUSY, "port " + std::to_string(*wanted) + " has " + std::to_string(Port::kMostEndpoints) +
                              " clients, and takes no more");
  }
  if (!port->admits(caller)) {
    return refusal(EPERM, "port " + std::to_string(*wanted) + " is kept for others");
  }
  return *wanted;
}

Status Switch::attach(PortNumber number, std::unique_ptr<Endpoint> endpoint, const Caller& caller) {
  const auto chosen = choose_port(number, caller);
  if (!chosen.ok()) return chosen.error();
  Port& port = need_port(number);
  const bool shares = endpoint->identity().kind == Identity::Kind::vde &&
                      std::all_of(port.endpoints.begin(), port.endpoints.end(), [](const auto& other) {
                        return other->identity().kind == Identity::Kind::vde;
                      });
  if (port.active() && !shares) return refusal(EBUSY, "port " + std::to_string(number) + " is taken");
  endpoint->port = number;
  const Status started = endpoint->start();
  if (!started.ok()) {
    drop_unused(number);
    return started.error();
  }
  const bool opened = !port.active();
  port.user = caller.uid;
  Endpoint& added = *endpoint;
  port.endpoints.push_back(std::move(endpoint));
  if (opened) {
    const auto place = std::lower_bound(active_.begin(), active_.end(), number,
                                        [](const Port* other, PortNumber n) { return other->number < n; });
    active_.insert(place, &port);
    for (SwitchObserver* observer : observers_) observer->port_opened(port, added);
  }
  for (SwitchObserver* observer : observers_) observer->endpoint_added(added);
  return Done{};
}

std::unique_ptr<Endpoint> Switch::detach(Endpoint& endpoint, const std::string& reason) {
  const PortNumber number = endpoint.port;
  Port& port = *ports_[number];
  const auto found = std::find_if(port.endpoints.begin(), port.endpoints.end(),
                                  [&endpoint](const auto& other) { return other.get() == &endpoint; });
  std::unique_ptr<Endpoint> taken = std::move(*found);
  port.endpoints.erase(found);
  port.past += taken->counters();
  for (SwitchObserver* observer : observers_) observer->endpoint_removed(*taken, reason);
  if (port.active()) return taken;
  port.user.reset();
  std::erase(active_, &port);
  table_.forget_port(number, forgotten_);
  for (SwitchObserver* observer : observers_) observer->port_closed(port, reason);
  drop_unused(number);
  return taken;
}

void Switch::lost(Endpoint& endpoint, const std::string& reason) {
  auto taken = detach(endpoint, reason);
  taken->stop();
  loop_.retire(std::move(taken));
}

Status Switch::set_max_ports(PortNumber number) {
  if (number < 1 || number > kMostPorts) {
    return refusal(EINVAL, "the number of ports is from 1 to " + std::to_string(kMostPorts));
  }
  if (!active_.empty() && active_.back()->number > number) {
    return refusal(EBUSY, "port " + std::to_string(active_.back()->number) + " is in use");
  }
  max_ports_ = number;
  if (ports_.size() > number + 1) ports_.resize(number + 1);
  return Done{};
}

Status Switch::reserve_port(PortNumber number) {
  if (number > max_ports_) return refusal(EINVAL, "there is no such port");
  if (port(number) != nullptr && port(number)->reserved) return refusal(EEXIST, "it exists");
  need_port(number).reserved = true;
  return Done{};
}

Status Switch::remove_port(PortNumber number) {
  Port* const port = this->port(number);
  if (port == nullptr) return refusal(ENXIO, "there is no such port");
  if (port->active()) return refusal(EADDRINUSE, "it is in use");
  ports_[number].reset();
  return Done{};
}

Status Switch::create_vlan(uint16_t vlan) {
  if (vlan == 0 || vlan >= kNoVlan) return refusal(EINVAL, "a VLAN's number is from 1 to 4094");
  if (!vlans_.insert(vlan).second) return refusal(EEXIST, "it exists");
  // What was learned of it before nobody had separated.
  table_.forget_vlan(vlan, forgotten_);
  return Done{};
}

Status Switch::remove_vlan(uint16_t vlan) {
  if (vlan == 0) return refusal(EADDRINUSE, "VLAN 0 stays");
  if (!vlans_.contains(vlan)) return refusal(ENXIO, "there is no such VLAN");
  for (const auto& port : ports_) {
    if (port && port->untagged_vlan == vlan) return refusal(EADDRINUSE, "it is in use");
  }
  vlans_.erase(vlan);
  table_.forget_vlan(vlan, forgotten_);
  for (const auto& port : ports_) {
    if (port) port->tagged_vlans.erase(vlan);
  }
  return Done{};
}

Status Switch::set_untagged_vlan(PortNumber number, uint16_t vlan) {
  if (vlan > kNoVlan || number > max_ports_) return refusal(EINVAL, "there is no such port or VLAN");
  Port* const port = this->port(number);
  if (port == nullptr || (vlan != kNoVlan && !vlans_.contains(vlan))) {
    return refusal(ENXIO, "there is no such port or VLAN");
  }
  port->untagged_vlan = vlan;
  port->tagged_vlans.erase(vlan);
  table_.forget_port(number, forgotten_);
  return Done{};
}

Status Switch::set_tagged_vlan(PortNumber number, uint16_t vlan, bool member) {
  if (vlan >= kNoVlan || number > max_ports_) return refusal(EINVAL, "there is no such port or VLAN");
  Port* const port = this->port(number);
  if (port == nullptr || !vlans_.contains(vlan)) return refusal(ENXIO, "there is no such port or VLAN");
  if (member && port->untagged_vlan != vlan) {
    port->tagged_vlans.insert(vlan);
  } else {
    port->tagged_vlans.erase(vlan);
  }
  table_.forget_port(number, forgotten_);
  return Done{};
}

void Switch::forward(Endpoint& from, std::span<Frame> frames) {
  Port& port = *ports_[from.port];
  if (hub_) {
    for (Port* const other : active_) {
      if (other != &port) send_to(*other, frames);
    }
  } else if (vlans_.size() > 1 || port.untagged_vlan != 0) {
    for (Frame& frame : frames) forward_in_vlan(port, frame);
  } else {
    forward_as_is(port, frames);
  }
}

// What goes from one station to another is looked up once.
void Switch::forward_as_is(Port& from, std::span<Frame> frames) {
  while (!frames.empty()) {
    const uint16_t vlan = vlan_of(frames[0]).value_or(0);
    size_t run = 1;
    while (run < frames.size() && same_stations(frames[0], frames[run]) &&
           vlan_of(frames[run]).value_or(0) == vlan) {
      ++run;
    }
    forward_run(from, frames.first(run), vlan);
    frames = frames.subspan(run);
  }
}

void Switch::forward_run(Port& from, std::span<Frame> frames, uint16_t vlan) {
  const PortNumber to = look_up(from, frames[0], vlan);
  if (to == from.number) return;
  if (to != ForwardingTable::kNoPort) {
    send_to(*ports_[to], frames);
    return;
  }
  for (Port* const other : active_) {
    if (other != &from && other->untagged_vlan == 0) send_to(*other, frames);
  }
}

void Switch::forward_in_vlan(Port& from, Frame& frame) {
  const auto tag = vlan_of(frame);
  const uint16_t vlan = tag.value_or(from.untagged_vlan);
  if (vlan == kNoVlan || !vlans_.contains(vlan) || !from.carries(vlan)) return;
  const PortNumber to = look_up(from, frame, vlan);
  if (to == from.number) return;
  bool tagged = tag.has_value();
  if (to != ForwardingTable::kNoPort) {
    send_in_vlan(*ports_[to], frame, vlan, tagged);
    return;
  }
  for (Port* const other : active_) {
    if (other != &from) send_in_vlan(*other, frame, vlan, tagged);
  }
}

PortNumber Switch::look_up(const Port& from, const Frame& frame, uint16_t vlan) {
  learn(frame, vlan, from.number);
  if (is_group(frame.destination())) return ForwardingTable::kNoPort;
  return table_.find(frame.destination(), vlan, loop_.seconds());
}

void Switch::learn(const Frame& frame, uint16_t vlan, PortNumber port) {
  if (is_group(frame.source())) return;
  const auto learned = table_.learn(frame.source(), vlan, port, loop_.seconds());
  if (learned == ForwardingTable::Learned::renewed) return;
  const ForwardingTable::Entry entry{ForwardingTable::key_of(frame.source(), vlan), port, loop_.seconds()};
  for (SwitchObserver* observer : observers_) observer->station_learned(entry);
  if (!ageing_) {
    ageing_ = true;
    loop_.after(kAgeingInterval, [this] { age(); });
  }
}

void Switch::age() {
  table_.age(loop_.seconds(), forgotten_);
  ageing_ = table_.size() > 0;
  if (ageing_) loop_.after(kAgeingInterval, [this] { age(); });
}

void Switch::send_in_vlan(Port& port, Frame& frame, uint16_t vlan, bool& tagged) {
  if (!port.carries(vlan)) return;
  const bool wants_tag = port.untagged_vlan != vlan;
  if (wants_tag && !tagged) push_vlan_tag(frame, vlan);
  if (!wants_tag && tagged) pop_vlan_tag(frame);
  tagged = wants_tag;
  send_to(port, {&frame, 1});
}

void Switch::send_to(Port& port, std::span<Frame> frames) {
  for (const auto& endpoint : port.endpoints) endpoint->send(frames);
}

}  // namespace ecdock::vde
