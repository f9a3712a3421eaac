#include "netlink/address.h"

#include <linux/if_addr.h>
#include <linux/rtnetlink.h>

#include <algorithm>

namespace ecdock::netlink {

namespace {

Request request_for(uint16_t type, uint16_t flags, const InterfaceAddress& wanted) {
  ifaddrmsg info{};
  info.ifa_family = wanted.address.family;
  info.ifa_prefixlen = wanted.prefix;
  info.ifa_index = static_cast<uint32_t>(wanted.ifindex);
  Request request(type, flags);
  request.header(info);
  request.bytes(IFA_LOCAL, wanted.address.bytes.data(), wanted.address.size());
  request.bytes(IFA_ADDRESS, wanted.address.bytes.data(), wanted.address.size());
  return request;
}

}  // namespace

Status add_address(Socket& socket, const InterfaceAddress& address) {
  Request request = request_for(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK, address);
  if (address.address.family == AF_INET6) request.u32(IFA_FLAGS, IFA_F_NODAD);
  return socket.execute(std::move(request), "address add");
}

Status delete_address(Socket& socket, const InterfaceAddress& address) {
  return socket.execute(request_for(RTM_DELADDR, NLM_F_ACK, address), "address delete");
}

Result<std::vector<InterfaceAddress>> list_addresses(Socket& socket) {
  Request request(RTM_GETADDR, NLM_F_DUMP);
  request.header(ifaddrmsg{});
  std::vector<InterfaceAddress> addresses;
  auto outcome = socket.dump(
      std::move(request), "address list", [&] { addresses.clear(); },
      [&](const Messages::Message& message) {
        const auto parts = split<ifaddrmsg>(message.payload);
        if (message.header.nlmsg_type != RTM_NEWADDR || !parts) return;
        const auto& [info, attributes] = *parts;
        auto bytes = attributes.find(IFA_LOCAL);
        if (!bytes) bytes = attributes.find(IFA_ADDRESS);
        InterfaceAddress found{static_cast<int>(info.ifa_index), {}, info.ifa_prefixlen};
        found.address.family = info.ifa_family;
        const bool known = info.ifa_family == AF_INET || info.ifa_family == AF_INET6;
        if (!known || !bytes || bytes->size() != found.address.size()) return;
        std::copy(bytes->begin(), bytes->end(), found.address.bytes.begin());
        addresses.push_back(found);
      });
  if (!outcome.ok()) return outcome.error();
  return addresses;
}

}  // namespace ecdock::netlink
