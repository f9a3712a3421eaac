#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "netlink/mac.h"
#include "netlink/socket.h"

namespace ecdock::netlink {

// Mirrors rtnl_link_stats64 for the counters that people look at.
struct LinkStats {
  uint64_t rx_packets = 0, tx_packets = 0, rx_bytes = 0, tx_bytes = 0;
  uint64_t rx_errors = 0, tx_errors = 0, rx_dropped = 0, tx_dropped = 0;
};

struct Link {
  int ifindex = 0;
  std::string name;
  std::string kind;
  uint32_t group = 0;
  std::string alias;
  int master = 0;
  int peer = 0;
  std::string mac;
  uint32_t mtu = 0;
  bool up = false;
  bool carrier = false;
  bool in_service = false;  // frames pass: operational state UP (RFC 2863), or UNKNOWN for good
  LinkStats stats;
};

// What a link is made with, or changed to. Absent: left as it is.
struct LinkSettings {
  std::optional<Mac> mac;
  std::optional<uint32_t> mtu;
  std::optional<uint32_t> group;
  std::optional<int> master;  // ifindex
  std::optional<std::string> alias;
  std::optional<bool> up;
};

struct VethPeer {
  int netns_fd = -1;  // -1: the socket's own namespace
  std::string name;
  LinkSettings settings;  // mac, mtu and group; the kernel refuses IFF_UP here
};

struct Destination {
  int netns_fd;
  std::string name;
};

enum class Statistics { kWanted, kSkipped };

// Each returns the kernel's errno: EEXIST when a name is taken, ENODEV when there is no such link, EPERM.
Status add_veth(Socket& socket, const std::string& name, const LinkSettings& settings, const VethPeer& peer);
Status add_bridge(Socket& socket, const std::string& name, const LinkSettings& settings);
Status set_link(Socket& socket, const std::string& name, const LinkSettings& settings);
// Takes a link into another namespace, with a new name and settings, by one message; it is down there. The
// kernel waits for a grace period of RCU meanwhile (dev_change_net_namespace in net/core/dev.c).
Status move_link(Socket& socket, const std::string& name, const Destination& destination,
                 const LinkSettings& settings);
// One status for each link.
std::vector<Status> set_group(Socket& socket, const std::vector<int>& ifindexes, uint32_t group);
Status delete_link(Socket& socket, int ifindex);
Status delete_link(Socket& socket, const std::string& name);
// Deletes every link of the group in the socket's namespace; the kernel waits once for all of them.
Status delete_group(Socket& socket, uint32_t group);

Result<Link> get_link(Socket& socket, const std::string& name, Statistics statistics = Statistics::kWanted);
Result<std::vector<Link>> list_links(Socket& socket, Statistics statistics);

// Reads one RTM_NEWLINK payload; nothing when it is malformed.
std::optional<Link> parse_link(Bytes payload);

}  // namespace ecdock::netlink
