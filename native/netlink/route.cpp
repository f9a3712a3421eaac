#include "netlink/route.h"

#include <linux/rtnetlink.h>

namespace ecdock::netlink {

namespace {

Request request_for(uint16_t type, uint16_t flags, const Route& route) {
  rtmsg info{};
  info.rtm_family = route.gateway.family;
  info.rtm_dst_len = route.destination ? route.prefix : 0;
  info.rtm_table = RT_TABLE_MAIN;
  info.rtm_protocol = RTPROT_STATIC;
  info.rtm_scope = RT_SCOPE_UNIVERSE;
  info.rtm_type = RTN_UNICAST;
  Request request(type, flags);
  request.header(info);
  if (route.destination) {
    request.bytes(RTA_DST, route.destination->bytes.data(), route.destination->size());
  }
  request.bytes(RTA_GATEWAY, route.gateway.bytes.data(), route.gateway.size());
  request.u32(RTA_OIF, static_cast<uint32_t>(route.ifindex));
  return request;
}

}  // namespace

Status add_route(Socket& socket, const Route& route) {
  return socket.execute(request_for(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK, route), "route add");
}

Status delete_route(Socket& socket, const Route& route) {
  return socket.execute(request_for(RTM_DELROUTE, NLM_F_ACK, route), "route delete");
}

}  // namespace ecdock::netlink
