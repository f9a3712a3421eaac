#pragma once

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "result.h"
#include "switch/event_loop.h"
#include "switch/forwarding_table.h"
#include "switch/port.h"

namespace ecdock::vde {

// Hears what changes on a switch.
class SwitchObserver {
 public:
  virtual ~SwitchObserver() = default;
  // A port got its first endpoint, or lost its last one.
  virtual void port_opened(const Port&, const Endpoint&) {}
  virtual void port_closed(const Port&, const std::string& /*reason*/) {}
  virtual void endpoint_added(const Endpoint&) {}
  virtual void endpoint_removed(const Endpoint&, const std::string& /*reason*/) {}
  virtual void station_learned(const ForwardingTable::Entry&) {}
  virtual void station_forgotten(const ForwardingTable::Entry&) {}
};

// An Ethernet switch: it learns which station is on which port, and forwards frames between ports. As a hub
// it sends each frame to all other ports. While no VLAN has been created, tagged frames pass as they are;
// from then on a port carries the VLANs that it was given.
class Switch : public FrameSink {
 public:
  Switch(EventLoop& loop, PortNumber max_ports);

  // The port that the caller would get: `wanted`, or the lowest that is free. EBUSY when it is
  // taken, ENOSPC when none is free or there are not so many, EPERM when the console has reserved it for
  // others.
  Result<PortNumber> choose_port(std::optional<PortNumber> wanted, const Caller& caller);
  // EBUSY, ENOSPC and EPERM as above. A tap shares its port with nobody.
  Status attach(PortNumber number, std::unique_ptr<Endpoint> endpoint, const Caller& caller);
  // Takes an endpoint out, and gives it back with its descriptor.
  std::unique_ptr<Endpoint> detach(Endpoint& endpoint, const std::string& reason);

  void forward(Endpoint& from, std::span<Frame> frames) override;
  void lost(Endpoint& endpoint, const std::string& reason) override;

  Port* port(PortNumber number);
  // Those that exist, by number.
  std::vector<Port*> ports();
  PortNumber max_ports() const { return max_ports_; }
  // EBUSY when ports beyond are in use.
  Status set_max_ports(PortNumber number);
  // ENOSPC, EEXIST.
  Status reserve_port(PortNumber number);
  // ENXIO; EBUSY when it is in use.
  Status remove_port(PortNumber number);

  bool hub() const { return hub_; }
  void set_hub(bool hub) { hub_ = hub; }

  // EEXIST, EINVAL; ENXIO when there is none.
  Status create_vlan(uint16_t vlan);
  Status remove_vlan(uint16_t vlan);
  const std::set<uint16_t>& vlans() const { return vlans_; }
  // ENXIO when there is no such port or VLAN.
  Status set_untagged_vlan(PortNumber number, uint16_t vlan);
  Status set_tagged_vlan(PortNumber number, uint16_t vlan, bool member);

  ForwardingTable& table() { return table_; }
  EventLoop& loop() { return loop_; }
  void observe(SwitchObserver& observer) { observers_.push_back(&observer); }
  void ignore(SwitchObserver& observer) { std::erase(observers_, &observer); }

  static constexpr PortNumber kMostPorts = 65535;
  static constexpr int64_t kAgeingInterval = 5000;  // ms

 private:
  Port& need_port(PortNumber number);
  void drop_unused(PortNumber number);
  void send_to(Port& port, std::span<Frame> frames);
  // `tagged`: whether the frame carries the VLAN's tag now.
  void send_in_vlan(Port& port, Frame& frame, uint16_t vlan, bool& tagged);
  void forward_as_is(Port& from, std::span<Frame> frames);
  void forward_run(Port& from, std::span<Frame> frames, uint16_t vlan);
  void forward_in_vlan(Port& from, Frame& frame);
  // Where the frame goes: to one port, to all (kNoPort), or to nobody (the port where it came from).
  PortNumber look_up(const Port& from, const Frame& frame, uint16_t vlan);
  void learn(const Frame& frame, uint16_t vlan, PortNumber port);
  void age();

  EventLoop& loop_;
  PortNumber max_ports_;
  bool hub_ = false;
  std::vector<std::unique_ptr<Port>> ports_;  // by number
  std::vector<Port*> active_;                 // by number
  std::set<uint16_t> vlans_{0};
  ForwardingTable table_;
  std::vector<SwitchObserver*> observers_;
  ForwardingTable::Visit forgotten_;  // tells the observers
  bool ageing_ = false;               // a timer runs
};

}  // namespace ecdock::vde
