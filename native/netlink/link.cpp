#include "netlink/link.h"

#include <linux/if.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>

namespace ecdock::netlink {

namespace {

constexpr uint16_t kCreate = NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK;

ifinfomsg header(int ifindex, std::optional<bool> up = std::nullopt) {
  ifinfomsg info{};
  info.ifi_index = ifindex;
  if (up) {
    info.ifi_change = IFF_UP;
    info.ifi_flags = *up ? IFF_UP : 0;
  }
  return info;
}

void put_settings(Request& request, const LinkSettings& settings) {
  if (settings.mac) request.bytes(IFLA_ADDRESS, settings.mac->data(), settings.mac->size());
  if (settings.mtu) request.u32(IFLA_MTU, *settings.mtu);
  if (settings.group) request.u32(IFLA_GROUP, *settings.group);
  if (settings.master) request.u32(IFLA_MASTER, static_cast<uint32_t>(*settings.master));
}

// Since Linux 5.14 a veth gets a queue for each processor of the machine, each with its objects in sysfs,
// which is where a good part of its creation time goes. It makes no use of them: it has no queueing
// discipline and no lock to transmit, and what it delivers is spread over the processors elsewhere.
void put_queues(Request& request) {
  request.u32(IFLA_NUM_TX_QUEUES, 1);
  request.u32(IFLA_NUM_RX_QUEUES, 1);
}

// RTM_NEWLINK ignores IFLA_IFALIAS (rtnl_create_link in net/core/rtnetlink.c), so it takes a second message.
Status put_alias(Socket& socket, const std::string& name, const LinkSettings& settings) {
  if (!settings.alias) return Done{};
  LinkSettings only_alias;
  only_alias.alias = settings.alias;
  return set_link(socket, name, only_alias);
}

}  // namespace

Status add_veth(Socket& socket, const std::string& name, const LinkSettings& settings, const VethPeer& peer) {
  Request request(RTM_NEWLINK, kCreate);
  request.header(header(0, settings.up));
  request.text(IFLA_IFNAME, name);
  put_settings(request, settings);
  put_queues(request);
  const size_t info = request.nest(IFLA_LINKINFO);
  request.text(IFLA_INFO_KIND, "veth");
  const size_t data = request.nest(IFLA_INFO_DATA);
  const size_t peer_info = request.nest(VETH_INFO_PEER);
  request.header(header(0));
  request.text(IFLA_IFNAME, peer.name);
  put_settings(request, peer.settings);
  put_queues(request);
  if (peer.netns_fd >= 0) request.u32(IFLA_NET_NS_FD, static_cast<uint32_t>(peer.netns_fd));
  request.close(peer_info);
  request.close(data);
  request.close(info);
  if (auto added = socket.execute(std::move(request), "veth add"); !added.ok()) return added;
  auto named = put_alias(socket, name, settings);
  if (!named.ok()) (void)delete_link(socket, name);
  return named;
}

Status add_bridge(Socket& socket, const std::string& name, const LinkSettings& settings) {
  Request request(RTM_NEWLINK, kCreate);
  request.header(header(0, settings.up));
  request.text(IFLA_IFNAME, name);
  put_settings(request, settings);
  const size_t info = request.nest(IFLA_LINKINFO);
  request.text(IFLA_INFO_KIND, "bridge");
  const size_t data = request.nest(IFLA_INFO_DATA);
  // A simulated network wants a plain switch: all multicast to all ports, whether or not a querier is there.
  request.u8(IFLA_BR_MCAST_SNOOPING, 0);
  request.close(data);
  request.close(info);
  if (auto added = socket.execute(std::move(request), "bridge add"); !added.ok()) return added;
  auto named = put_alias(socket, name, settings);
  if (!named.ok()) (void)delete_link(socket, name);
  return named;
}

Status set_link(Socket& socket, const std::string& name, const LinkSettings& settings) {
  Request request(RTM_SETLINK, NLM_F_ACK);
  request.header(header(0, settings.up));
  request.text(IFLA_IFNAME, name);
  put_settings(request, settings);
  if (settings.alias) request.bytes(IFLA_IFALIAS, settings.alias->data(), settings.alias->size());
  return socket.execute(std::move(request), "link set");
}

Status move_link(Socket& socket, const std::string& name, const Destination& destination,
                 const LinkSettings& settings) {
  auto link = get_link(socket, name, Statistics::kSkipped);
  if (!link.ok()) {
    link.error().op = "link move";
    return link.error();
  }
  Request request(RTM_SETLINK, NLM_F_ACK);
  // By its index: IFLA_IFNAME is the new name then (do_setlink in net/core/rtnetlink.c).
  request.header(header(link.value().ifindex));
  request.text(IFLA_IFNAME, destination.name);
  request.u32(IFLA_NET_NS_FD, static_cast<uint32_t>(destination.netns_fd));
  put_settings(request, settings);
  if (settings.alias) request.bytes(IFLA_IFALIAS, settings.alias->data(), settings.alias->size());
  return socket.execute(std::move(request), "link move");
}

std::vector<Status> set_group(Socket& socket, const std::vector<int>& ifindexes, uint32_t group) {
  std::vector<Request> requests;
  requests.reserve(ifindexes.size());
  for (const int ifindex : ifindexes) {
    Request& request = requests.emplace_back(RTM_SETLINK, NLM_F_ACK);
    request.header(header(ifindex));
    request.u32(IFLA_GROUP, group);
  }
  return socket.execute_all(std::move(requests), "link set group");
}

Status delete_link(Socket& socket, int ifindex) {
  Request request(RTM_DELLINK, NLM_F_ACK);
  request.header(header(ifindex));
  return socket.execute(std::move(request), "link delete");
}

Status delete_link(Socket& socket, const std::string& name) {
  Request request(RTM_DELLINK, NLM_F_ACK);
  request.header(header(0));
  request.text(IFLA_IFNAME, name);
  return socket.execute(std::move(request), "link delete");
}

Status delete_group(Socket& socket, uint32_t group) {
  Request request(RTM_DELLINK, NLM_F_ACK);
  request.header(header(0));
  request.u32(IFLA_GROUP, group);
  return socket.execute(std::move(request), "link delete by group");
}

std::optional<Link> parse_link(Bytes payload) {
  const auto parts = split<ifinfomsg>(payload);
  if (!parts) return std::nullopt;
  const auto& [info, attributes] = *parts;
  Link link;
  link.ifindex = info.ifi_index;
  link.up = (info.ifi_flags & IFF_UP) != 0;
  link.carrier = (info.ifi_flags & IFF_LOWER_UP) != 0;
  link.name = attributes.text(IFLA_IFNAME);
  link.alias = attributes.text(IFLA_IFALIAS);
  link.kind = attributes.nested(IFLA_LINKINFO).text(IFLA_INFO_KIND);
  link.group = attributes.u32(IFLA_GROUP).value_or(0);
  link.master = static_cast<int>(attributes.u32(IFLA_MASTER).value_or(0));
  link.peer = static_cast<int>(attributes.u32(IFLA_LINK).value_or(0));
  if (const auto state = attributes.find(IFLA_OPERSTATE); state && !state->empty()) {
    // A state is UNKNOWN until linkwatch has looked at the link, which it does after each change of the
    // carrier, and which is when the queues are activated (linkwatch_do_dev in net/core/link_watch.c). A link
    // that has had no change works as it is. IFLA_QDISC would not tell: it is `noqueue` once a link is up.
    const bool untouched = attributes.u32(IFLA_CARRIER_CHANGES).value_or(0) == 0;
    link.in_service = state->front() == IF_OPER_UP || (state->front() == IF_OPER_UNKNOWN && untouched);
  }
  link.mtu = attributes.u32(IFLA_MTU).value_or(0);
  if (const auto mac = attributes.find(IFLA_ADDRESS); mac && mac->size() == Mac{}.size()) {
    link.mac = format_mac(mac->data());
  }
  if (const auto stats = attributes.find(IFLA_STATS64)) {
    rtnl_link_stats64 counters{};
    std::memcpy(&counters, stats->data(), std::min(stats->size(), sizeof counters));
    link.stats = {counters.rx_packets, counters.tx_packets, counters.rx_bytes,   counters.tx_bytes,
                  counters.rx_errors,  counters.tx_errors,  counters.rx_dropped, counters.tx_dropped};
  }
  return link;
}

Result<Link> get_link(Socket& socket, const std::string& name, Statistics statistics) {
  Request request(RTM_GETLINK, 0);
  request.header(header(0));
  request.text(IFLA_IFNAME, name);
  if (statistics == Statistics::kSkipped) request.u32(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
  std::optional<Link> found;
  auto outcome = socket.get(std::move(request), "link get", [&](const Messages::Message& message) {
    if (message.header.nlmsg_type == RTM_NEWLINK) found = parse_link(message.payload);
  });
  if (!outcome.ok()) return outcome.error();
  if (!found) return Error::from_errno("link get", EBADMSG);
  return std::move(*found);
}

Result<std::vector<Link>> list_links(Socket& socket, Statistics statistics) {
  Request request(RTM_GETLINK, NLM_F_DUMP);
  request.header(header(0));
  if (statistics == Statistics::kSkipped) request.u32(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
  std::vector<Link> links;
  auto outcome = socket.dump(
      std::move(request), "link list", [&] { links.clear(); },
      [&](const Messages::Message& message) {
        if (message.header.nlmsg_type != RTM_NEWLINK) return;
        if (auto link = parse_link(message.payload)) links.push_back(std::move(*link));
      });
  if (!outcome.ok()) return outcome.error();
  return links;
}

}  // namespace ecdock::netlink
