#include <algorithm>
#include <cerrno>

#include "netlink/address.h"
#include "netlink/route.h"
#include "plan/announcement.h"
#include "plan/executor.h"
#include "plan/sysctl.h"

// Steps that look at a namespace, and set in it what is no interface: addresses, routes, sysctls.
namespace ecdock::plan {

namespace {

std::string destination_text(const AddRoute& route) {
  if (!route.destination) return "default";
  return netlink::format_ip_address(*route.destination) + "/" + std::to_string(route.prefix);
}

}  // namespace

Status Executor::refuse(const std::string& what, const std::string& value, const std::string& by) {
  now_->outcome.taken = what;
  now_->outcome.taken_by = by;
  return Error{
      "vacancy check", EEXIST, "the target already has the " + what + " " + value + ", on " + by, {}};
}

Status Executor::step(const CheckVacant& step) {
  auto where = place(step.netns);
  if (!where.ok()) return where.error();
  if (!step.netns.empty()) {
    auto own = netns::is_home(where.value()->netns);
    if (!own.ok()) return own.error();
    if (own.value()) return Error{"target check", EINVAL, step.netns + " is this process's own network", {}};
  }
  now_->outcome.netns_id = where.value()->netns.id;
  auto surveyed = survey(*where.value());
  if (!surveyed.ok()) return surveyed.error();
  const auto& links = surveyed.value().links;
  const auto& addresses = surveyed.value().addresses;
  where.value()->loopback_up =
      std::ranges::any_of(links, [](const auto& link) { return link.name == kLoopback && link.up; });

  const auto named = [&](const std::string& name) {
    for (const auto& link : links) {
      if (link.name == name) return true;
    }
    return false;
  };
  now_->outcome.ifname = step.name;
  if (!step.name.empty() && step.name.back() == '*') {
    const std::string stem = step.name.substr(0, step.name.size() - 1);
    size_t number = 0;
    while (named(stem + std::to_string(number))) ++number;
    now_->outcome.ifname = stem + std::to_string(number);
  } else if (named(step.name)) {
    return refuse("name", step.name, step.name);
  }
  for (const auto& link : links) {
    if (!step.mac.empty() && link.mac == step.mac) return refuse("mac", step.mac, link.name);
  }
  for (const auto& present : addresses) {
    for (const auto& wanted : step.addresses) {
      if (!(present.address == wanted)) continue;
      std::string holder;
      for (const auto& link : links) {
        if (link.ifindex == present.ifindex) holder = link.name;
      }
      return refuse("address", netlink::format_ip_address(wanted), holder);
    }
  }
  return Done{};
}

Status Executor::step(const CheckAlive& step) {
  auto where = place(step.netns);
  if (!where.ok()) return where.error();
  if (netns::still_leads_to(step.netns, where.value()->netns)) return Done{};
  return Error{"target check", ESRCH, "the target went away while it was being plugged in", {}};
}

Status Executor::step(const SetSysctl& step) {
  auto where = place(step.netns);
  if (!where.ok()) return where.error();
  auto inside = netns::Scope::enter(where.value()->netns);
  if (!inside.ok()) return inside.error();
  const std::string key = filled(step.key);
  auto before = write_sysctl(key, step.value);
  if (!before.ok() && step.optional) return unless_gone(before.error(), {ENOENT, EACCES, EPERM, EROFS});
  if (!before.ok()) return before.error();
  now_->undo.push_back([this, netns = step.netns, key, before = before.value()]() -> Status {
    auto where = place(netns);
    if (!where.ok()) return where.error();
    auto inside = netns::Scope::enter(where.value()->netns);
    if (!inside.ok()) return inside.error();
    auto restored = write_sysctl(key, before);
    if (!restored.ok()) return unless_gone(restored.error(), {ENOENT});
    return Done{};
  });
  return Done{};
}

Status Executor::step(const AddNamespace& step) {
  auto made = netns::create_named(step.name, step.alias);
  if (!made.ok()) return made.error();
  now_->undo.push_back([name = step.name] { return unless_gone(netns::delete_named(name), {ENOENT}); });
  return Done{};
}

Status Executor::step(const AddAddress& step) {
  const std::string name = resolved(step.name);
  auto index = ifindex(step.netns, name);
  if (!index.ok()) return index.error();
  Place& where = *place(step.netns).value();
  auto through = socket_of(where);
  if (!through.ok()) return through.error();
  const netlink::InterfaceAddress address{index.value(), step.address, step.prefix};
  auto added = netlink::add_address(*through.value(), address);
  if (!added.ok() && added.error().err == EACCES && step.address.family == AF_INET6) {
    // Docker switches IPv6 off in the containers that it gives no network; on our link it is wanted.
    auto inside = netns::Scope::enter(where.netns);
    if (!inside.ok()) return inside.error();
    auto enabled = write_sysctl("ipv6/conf/" + name + "/disable_ipv6", "0");
    if (!enabled.ok()) return enabled.error();
    added = netlink::add_address(*through.value(), address);
  }
  if (!added.ok()) return added;
  now_->undo.push_back([this, netns = step.netns, address]() -> Status {
    auto where = place(netns);
    if (!where.ok()) return where.error();
    auto through = socket_of(*where.value());
    if (!through.ok()) return through.error();
    return unless_gone(netlink::delete_address(*through.value(), address), {EADDRNOTAVAIL, ENODEV});
  });
  return Done{};
}

Status Executor::step(const AddRoute& step) {
  auto index = ifindex(step.netns, resolved(step.name));
  if (!index.ok()) return index.error();
  auto through = socket_of(*place(step.netns).value());
  if (!through.ok()) return through.error();
  const netlink::Route route{step.destination, step.prefix, step.gateway, index.value()};
  auto added = netlink::add_route(*through.value(), route);
  if (!added.ok() && added.error().err == EEXIST && step.keep_existing) return Done{};
  if (!added.ok()) {
    added.error().message +=
        ", to " + destination_text(step) + " via " + netlink::format_ip_address(step.gateway);
    return added;
  }
  now_->undo.push_back([this, netns = step.netns, route]() -> Status {
    auto where = place(netns);
    if (!where.ok()) return where.error();
    auto through = socket_of(*where.value());
    if (!through.ok()) return through.error();
    return unless_gone(netlink::delete_route(*through.value(), route), {ESRCH, ENODEV});
  });
  return Done{};
}

Status Executor::step(const AnnounceAddresses& step) {
  auto where = place(step.netns);
  if (!where.ok()) return where.error();
  auto through = socket_of(*where.value());
  if (!through.ok()) return through.error();
  auto inside = netns::Scope::enter(where.value()->netns);
  if (!inside.ok()) return inside.error();
  return announce_addresses(*through.value(), resolved(step.name));
}

}  // namespace ecdock::plan
