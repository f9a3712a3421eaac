#pragma once

#include <sys/types.h>

#include <memory>
#include <optional>
#include <set>
#include <vector>

#include "switch/endpoint.h"

namespace ecdock::vde {

// A port that untagged frames neither come from nor go to.
inline constexpr uint16_t kNoVlan = 4095;

// Who wants to plug something in.
struct Caller {
  uid_t uid = 0;
  std::vector<gid_t> groups;
};

// A numbered port of the switch. Several clients of one user may share it; what one of them sends the others
// do not get.
struct Port {
  explicit Port(PortNumber number) : number(number) {}

  bool active() const { return !endpoints.empty(); }
  // Whether its frames belong to the VLAN, with a tag or without.
  bool carries(uint16_t vlan) const { return untagged_vlan == vlan || tagged_vlans.contains(vlan); }

  // Whether the console lets them use it; root always may.
  bool admits(const Caller& caller) const;
  // Of all endpoints that it has and had.
  Counters counters() const;

  static constexpr size_t kMostEndpoints = 64;

  const PortNumber number;
  std::vector<std::unique_ptr<Endpoint>> endpoints;
  std::optional<uid_t> user;  // of its endpoints
  // Made on the console: it stays when nobody is connected, and is not given to those that want any port.
  bool reserved = false;
  std::optional<uid_t> allowed_user;
  std::optional<gid_t> allowed_group;
  uint16_t untagged_vlan = 0;
  std::set<uint16_t> tagged_vlans;
  Counters past;  // of endpoints that are gone
};

}  // namespace ecdock::vde
