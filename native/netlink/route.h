#pragma once

#include <cstdint>
#include <optional>

#include "netlink/ip_address.h"
#include "netlink/socket.h"

namespace ecdock::netlink {

struct Route {
  std::optional<IpAddress> destination;  // absent: the default route
  uint8_t prefix = 0;
  IpAddress gateway;
  int ifindex = 0;
};

// In the main table. EEXIST when there is one to this destination already, ENETUNREACH when the gateway
// cannot be reached by that link, ENETDOWN while the link is down.
Status add_route(Socket& socket, const Route& route);
Status delete_route(Socket& socket, const Route& route);

}  // namespace ecdock::netlink
