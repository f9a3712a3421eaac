#include "plan/announcement.h"

#include <cerrno>
#include <optional>

#include "netlink/link.h"
#include "plan/sysctl.h"

namespace ecdock::plan {

namespace {

// Sets a sysctl and gives it its value back in the end.
class Switched {
 public:
  explicit Switched(std::string key) : key_(std::move(key)), before_(write_sysctl(key_, "1")) {}
  Switched(const Switched&) = delete;
  Switched& operator=(const Switched&) = delete;
  ~Switched() {
    if (before_.ok()) (void)write_sysctl(key_, before_.value());
  }

  const Result<std::string>& outcome() const { return before_; }

 private:
  std::string key_;
  Result<std::string> before_;
};

}  // namespace

Status announce_addresses(netlink::Socket& socket, const std::string& name) {
  auto link = netlink::get_link(socket, name, netlink::Statistics::kSkipped);
  if (!link.ok()) return link.error();
  const auto mac = netlink::parse_mac(link.value().mac);
  if (!mac) return Error::from_errno("announce", EAFNOSUPPORT);
  const Switched arp("ipv4/conf/" + name + "/arp_notify");
  if (!arp.outcome().ok()) return arp.outcome().error();
  const Switched ndisc("ipv6/conf/" + name + "/ndisc_notify");
  // ENOENT: a kernel, or a link, without IPv6.
  if (!ndisc.outcome().ok() && ndisc.outcome().error().err != ENOENT) return ndisc.outcome().error();
  netlink::LinkSettings same;
  same.mac = *mac;
  return netlink::set_link(socket, name, same);
}

}  // namespace ecdock::plan
