#pragma once

#include <cstdint>
#include <vector>

#include "netlink/ip_address.h"
#include "netlink/socket.h"

namespace ecdock::netlink {

struct InterfaceAddress {
  int ifindex = 0;
  IpAddress address;
  uint8_t prefix = 0;
};

// IPv6 addresses are added with IFA_F_NODAD: they are unique by construction, and duplicate address
// detection would keep them unusable for one to three seconds.
Status add_address(Socket& socket, const InterfaceAddress& address);
Status delete_address(Socket& socket, const InterfaceAddress& address);
Result<std::vector<InterfaceAddress>> list_addresses(Socket& socket);

}  // namespace ecdock::netlink
