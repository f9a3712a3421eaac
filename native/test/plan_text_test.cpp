#include "plan/plan_text.h"

#include <doctest/doctest.h>

#include <cerrno>
#include <string>

using namespace ecdock;
using namespace ecdock::plan;

namespace {

template <class T>
T only_step(const std::string& line) {
  auto plans = parse_plans(line + "\n\n");
  REQUIRE(plans.ok());
  REQUIRE(plans.value().size() == 1);
  REQUIRE(plans.value()[0].size() == 1);
  REQUIRE(std::holds_alternative<T>(plans.value()[0][0]));
  return std::get<T>(plans.value()[0][0]);
}

}  // namespace

TEST_CASE("a veth step has two ends") {
  const auto step = only_step<AddVeth>(
      "veth\tnetns=/run/netns/ecdock-br0\tname=br0-s1\tmaster=br0\tgroup=7\talias=a=b c\tmtu=1500"
      "\tpeer.netns=/proc/1/ns/net\tpeer.name=eth*\tpeer.mac=52:00:0a:00:00:01");
  CHECK(step.primary.netns == "/run/netns/ecdock-br0");
  CHECK(step.primary.name == "br0-s1");
  CHECK(step.primary.master == "br0");
  CHECK(step.primary.settings.group == 7);
  CHECK(step.primary.settings.alias == "a=b c");
  CHECK(step.primary.settings.mtu == 1500);
  CHECK_FALSE(step.primary.settings.mac.has_value());
  CHECK(step.peer.netns == "/proc/1/ns/net");
  CHECK(step.peer.name == "eth*");
  CHECK(netlink::format_mac(step.peer.settings.mac->data()) == "52:00:0a:00:00:01");
}

TEST_CASE("an adopt step says where a link is and where it goes") {
  const auto step = only_step<AdoptLink>(
      "adopt\tnetns=\tname=ovs0-s1\tto=/run/netns/blue\tas=eth*\tmac=52:00:0a:00:00:01\tmtu=1400");
  CHECK(step.link.name == "ovs0-s1");
  CHECK(step.link.settings.mtu == 1400);
  CHECK(step.to == "/run/netns/blue");
  CHECK(step.as == "eth*");
}

TEST_CASE("addresses, routes and checks are read") {
  const auto address = only_step<AddAddress>("address\tnetns=\tname=eth0\taddress=2001:db8::1\tprefix=64");
  CHECK(address.netns == "");
  CHECK(address.prefix == 64);
  CHECK(netlink::format_ip_address(address.address) == "2001:db8::1");

  const auto by_default = only_step<AddRoute>(
      "route\tnetns=x\tname=eth0\tdestination=default\tgateway=10.0.0.254\tkeepExisting=true");
  CHECK_FALSE(by_default.destination.has_value());
  CHECK(by_default.keep_existing);
  const auto route =
      only_step<AddRoute>("route\tnetns=x\tname=eth0\tdestination=10.1.0.0/16\tgateway=10.0.0.254");
  CHECK(netlink::format_ip_address(*route.destination) == "10.1.0.0");
  CHECK(route.prefix == 16);
  CHECK_FALSE(route.keep_existing);

  const auto vacant = only_step<CheckVacant>("vacant\tnetns=x\tname=eth0\taddresses=10.0.0.1,2001:db8::1");
  CHECK(vacant.addresses.size() == 2);
  CHECK(vacant.mac == "");
  CHECK(only_step<CheckVacant>("vacant\tnetns=x\tname=eth0\taddresses=").addresses.empty());
  CHECK(only_step<SetLink>("link\tnetns=x\tname=lo\tup=false").link.settings.up == false);
  CHECK(only_step<AnnounceAddresses>("announce\tnetns=x\tname=eth*").name == "eth*");
}

TEST_CASE("a value may hold what separates fields, escaped") {
  CHECK(only_step<CheckAlive>("alive\tnetns=/tmp/a\\tb\\nc\\\\d=e").netns == "/tmp/a\tb\nc\\d=e");
}

TEST_CASE("an empty line ends a plan") {
  const auto plans = parse_plans("alive\tnetns=a\nalive\tnetns=b\n\n\nalive\tnetns=c\n\n");
  REQUIRE(plans.ok());
  REQUIRE(plans.value().size() == 3);
  CHECK(plans.value()[0].size() == 2);
  CHECK(plans.value()[1].empty());
  CHECK(plans.value()[2].size() == 1);
  CHECK(parse_plans("").value().empty());
}

TEST_CASE("malformed plans are refused, with the reason") {
  const auto why = [](const std::string& text) {
    const auto plans = parse_plans(text);
    REQUIRE_FALSE(plans.ok());
    CHECK(plans.error().err == EINVAL);
    return plans.error().message;
  };
  CHECK(why("fly\tnetns=\n\n").find("unknown op") != std::string::npos);
  CHECK(why("alive\n\n").find("netns is missing") != std::string::npos);
  CHECK(why("alive\tnetns=a\n").find("has no end") != std::string::npos);
  CHECK(why(std::string("alive\tnetns=a\0b\n\n", 17)).find("zero byte") != std::string::npos);
  const std::string address = "address\tnetns=\tname=e\t";
  for (const auto* fields : {"address=10.0.0\tprefix=24", "address=10.0.0.1\tprefix=33",
                             "address=10.0.0.1\tprefix=-1", "address=10.0.0.1", "address=::1\tprefix=129"}) {
    CHECK(why(address + fields + "\n\n") != "");
  }
  const std::string link = "link\tnetns=\tname=e\t";
  for (const auto* fields : {"mtu=1e3", "mtu=4294967296", "mtu=", "mac=52:00", "up=1"}) {
    CHECK(why(link + fields + "\n\n") != "");
  }
  CHECK(why("route\tnetns=\tname=e\tgateway=10.0.0.1\tdestination=10.0.0.0\n\n") != "");
}

TEST_CASE("plans that are cut anywhere are read or refused, without a fault") {
  const std::string whole =
      "vacant\tnetns=a\tname=eth*\taddresses=10.0.0.1\nlink\tnetns=a\tname=lo\tup=true\n\n";
  for (size_t length = 0; length < whole.size(); ++length) {
    const std::string cut = whole.substr(0, length);
    CHECK((parse_plans(cut).ok() || parse_plans(cut).error().err == EINVAL));
  }
}

TEST_CASE("a tap step says which switch it is for") {
  const auto step = only_step<AddTap>(
      "tap\tnetns=/run/netns/blue\tname=eth*\tmac=52:00:0a:00:00:01\tmtu=9000\tgroup=7"
      "\tcontrol=/run/lab/control\tport=12\tlabel=a {ifname}=b c");
  CHECK(step.link.netns == "/run/netns/blue");
  CHECK(step.link.name == "eth*");
  CHECK(step.link.settings.mtu == 9000);
  CHECK(step.control == "/run/lab/control");
  CHECK(step.port == 12);
  CHECK(step.label == "a {ifname}=b c");
  CHECK(step.vde.empty());
  CHECK_FALSE(step.mark.has_value());

  const auto again = only_step<AddTap>("tap\tnetns=\tname=eth0\tcontrol=/c\tport=1\tlabel=l\tvde=/v\tmark=m");
  CHECK(again.vde == "/v");
  CHECK(again.mark == "m");
}
