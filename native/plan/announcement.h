#pragma once

#include <string>

#include "netlink/socket.h"
#include "result.h"

namespace ecdock::plan {

// Lets the kernel tell the neighbours which MAC the addresses of a link have: a gratuitous ARP request for
// each IPv4 address (RFC 5227 section 3) and an unsolicited neighbour advertisement for each IPv6 address
// (RFC 4861 section 7.2.6). The calling thread is in the link's namespace, and `socket` was opened there.
//
// The kernel sends them when it is told that a link's MAC has changed, even to the same, if arp_notify and
// ndisc_notify say so (Documentation/networking/ip-sysctl.rst). A packet socket of our own would cost the
// plug 16 ms: closing one waits for an RCU grace period (packet_release in net/packet/af_packet.c).
Status announce_addresses(netlink::Socket& socket, const std::string& name);

}  // namespace ecdock::plan
