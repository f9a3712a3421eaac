#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "netlink/ip_address.h"
#include "netlink/link.h"

namespace ecdock::plan {

// The steps of src/kernel/plan.ts, which documents them. `netns` is a path, "" for the worker's own; a
// `name` that ends in '*' stands for the one that a Vacant step chose.

struct LinkEnd {
  std::string netns;
  std::string name;
  std::optional<std::string> master;  // name in `netns`
  netlink::LinkSettings settings;
};

struct AddVeth {
  LinkEnd primary;
  LinkEnd peer;
};
struct AdoptLink {
  LinkEnd link;
  std::string to;  // a namespace
  std::string as;
};
struct AddTap {
  LinkEnd link;
  std::string control;
  uint32_t port;
  std::string label;
  std::string vde;                  // empty: none
  std::optional<std::string> mark;  // the tap is there, and its alias begins so
};
struct AddBridge {
  LinkEnd bridge;
};
struct SetLink {
  LinkEnd link;
};
struct AddAddress {
  std::string netns;
  std::string name;
  netlink::IpAddress address;
  uint8_t prefix;
};
struct AddRoute {
  std::string netns;
  std::string name;
  std::optional<netlink::IpAddress> destination;
  uint8_t prefix;
  netlink::IpAddress gateway;
  bool keep_existing;
};
struct DisableTxChecksum {
  std::string netns;
  std::string name;
};
struct SetSysctl {
  std::string netns;
  std::string key;
  std::string value;
  bool optional;
};
struct AddNamespace {
  std::string name;
  std::string alias;
};
struct AwaitReady {
  std::string netns;
  std::string name;
};
struct AnnounceAddresses {
  std::string netns;
  std::string name;
};
struct CheckVacant {
  std::string netns;
  std::string name;
  std::string mac;
  std::vector<netlink::IpAddress> addresses;
};
struct CheckAlive {
  std::string netns;
};
struct Meet {};

using Step =
    std::variant<AddVeth, AddTap, AdoptLink, AddBridge, SetLink, AddAddress, AddRoute, DisableTxChecksum,
                 SetSysctl, AddNamespace, AwaitReady, AnnounceAddresses, CheckVacant, CheckAlive, Meet>;
using Plan = std::vector<Step>;

struct Outcome {
  bool ok = false;
  double ms = 0;
  std::string ifname;     // what the Vacant step chose or was given
  uint64_t netns_id = 0;  // of the Vacant step's namespace
  int ifindex = 0;        // of the pair's primary end, when a Ready step has asked for it
  size_t step = 0;        // the one that failed
  Error error;
  std::string taken;     // "name", "mac" or "address"
  std::string taken_by;  // interface name
  bool undo_failed = false;
};

}  // namespace ecdock::plan
