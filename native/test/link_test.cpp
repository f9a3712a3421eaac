#include "netlink/link.h"

#include <doctest/doctest.h>
#include <linux/if.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>

#include <vector>

#include "netlink/ip_address.h"
#include "netlink/mac.h"

using namespace ecdock::netlink;

TEST_CASE("a link message is read into a link") {
  ifinfomsg info{};
  info.ifi_index = 7;
  info.ifi_flags = IFF_UP | IFF_LOWER_UP;
  rtnl_link_stats64 stats{};
  stats.rx_packets = 5'000'000'000;  // more than 32 bits
  stats.tx_dropped = 3;
  const uint8_t mac[6] = {0x52, 0, 0x0a, 0, 0, 1};

  Request request(RTM_NEWLINK, 0);
  request.header(info);
  request.text(IFLA_IFNAME, "br0-s1");
  request.u32(IFLA_GROUP, 9);
  request.u32(IFLA_MASTER, 2);
  request.u32(IFLA_LINK, 3);
  request.u32(IFLA_MTU, 9000);
  request.text(IFLA_IFALIAS, "ecdock-fast port slot=1");
  request.bytes(IFLA_ADDRESS, mac, sizeof mac);
  request.bytes(IFLA_STATS64, &stats, sizeof stats);
  const size_t kind = request.nest(IFLA_LINKINFO);
  request.text(IFLA_INFO_KIND, "veth");
  request.close(kind);

  const auto link = parse_link(request.finish(1).subspan(NLMSG_HDRLEN));
  REQUIRE(link.has_value());
  CHECK(link->ifindex == 7);
  CHECK(link->name == "br0-s1");
  CHECK(link->kind == "veth");
  CHECK(link->group == 9);
  CHECK(link->master == 2);
  CHECK(link->peer == 3);
  CHECK(link->mtu == 9000);
  CHECK(link->alias == "ecdock-fast port slot=1");
  CHECK(link->mac == "52:00:0a:00:00:01");
  CHECK(link->up);
  CHECK(link->carrier);
  CHECK(link->stats.rx_packets == 5'000'000'000);
  CHECK(link->stats.tx_dropped == 3);
}

TEST_CASE("a link is in service when its state says so, or when it has none and needs none") {
  const auto in_service = [](uint8_t state, uint32_t carrier_changes) {
    Request request(RTM_NEWLINK, 0);
    request.header(ifinfomsg{});
    request.u8(IFLA_OPERSTATE, state);
    request.u32(IFLA_CARRIER_CHANGES, carrier_changes);
    return parse_link(request.finish(1).subspan(NLMSG_HDRLEN))->in_service;
  };
  CHECK(in_service(IF_OPER_UP, 0));
  CHECK(in_service(IF_OPER_UP, 2));
  CHECK(in_service(IF_OPER_UNKNOWN, 0));
  CHECK_FALSE(in_service(IF_OPER_UNKNOWN, 1));
  CHECK_FALSE(in_service(IF_OPER_UNKNOWN, 2));
  CHECK_FALSE(in_service(IF_OPER_LOWERLAYERDOWN, 1));
  CHECK_FALSE(in_service(IF_OPER_DOWN, 0));
}

TEST_CASE("a link message that is cut anywhere is read without a fault") {
  Request request(RTM_NEWLINK, 0);
  request.header(ifinfomsg{});
  request.text(IFLA_IFNAME, "eth0");
  request.u32(IFLA_MTU, 1500);
  const auto payload = request.finish(1).subspan(NLMSG_HDRLEN);
  for (size_t length = 0; length < payload.size(); ++length) {
    const std::vector<uint8_t> cut(payload.begin(), payload.begin() + static_cast<long>(length));
    CHECK(parse_link(Bytes(cut)).has_value() == (length >= sizeof(ifinfomsg)));
  }
}

TEST_CASE("a MAC address is six hexadecimal bytes between colons") {
  CHECK(format_mac(parse_mac("52:00:0a:00:00:fe")->data()) == "52:00:0a:00:00:fe");
  CHECK(format_mac(parse_mac("AB:CD:EF:01:23:45")->data()) == "ab:cd:ef:01:23:45");
  for (const auto* wrong : {"", "52:00:0a:00:00", "52:00:0a:00:00:f", "52-00-0a-00-00-fe",
                            "52:00:0a:00:00:fe:00", "5g:00:0a:00:00:fe", "+1:00:0a:00:00:fe"}) {
    CHECK_FALSE(parse_mac(wrong).has_value());
  }
}

TEST_CASE("IP addresses of both versions are read and written") {
  CHECK(format_ip_address(*parse_ip_address("10.0.0.1")) == "10.0.0.1");
  CHECK(format_ip_address(*parse_ip_address("2001:db8::10.0.0.1")) == "2001:db8::a00:1");
  CHECK(parse_ip_address("10.0.0.1")->size() == 4);
  CHECK(parse_ip_address("::1")->size() == 16);
  for (const auto* wrong : {"", "10.0.0", "10.0.0.256", "010.0.0.1", "::g", "10.0.0.1/24"}) {
    CHECK_FALSE(parse_ip_address(wrong).has_value());
  }
}
