#include "plan/executor.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <thread>

#include "ethtool/offload.h"
#include "netlink/address.h"
#include "netlink/link.h"
#include "netlink/route.h"
#include "plan/announcement.h"
#include "plan/sysctl.h"
#include "tap/control.h"
#include "tap/tap.h"

namespace ecdock::plan {

namespace {

using Clock = std::chrono::steady_clock;

// Each open place holds two descriptors; a bulk plug of thousands must not run out of them.
constexpr size_t kMaxPlaces = 64;

constexpr char kLoopback[] = "lo";

constexpr auto kReadyTimeout = std::chrono::seconds(1);
constexpr auto kReadyPause = std::chrono::microseconds(200);

double milliseconds_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

void substitute(std::string& text, std::string_view placeholder, const std::string& value) {
  if (const size_t at = text.find(placeholder); at != std::string::npos) {
    text.replace(at, placeholder.size(), value);
  }
}

// Nothing is asked for but that the link be up.
bool only_up(const LinkEnd& end) {
  const auto& [mac, mtu, group, master, alias, up] = end.settings;
  return up == true && !mac && !mtu && !group && !master && !alias && !end.master;
}

std::string destination_text(const AddRoute& route) {
  if (!route.destination) return "default";
  return netlink::format_ip_address(*route.destination) + "/" + std::to_string(route.prefix);
}

}  // namespace

Executor::~Executor() {
  forget_expected_place();
  if (!primary_) return;
  auto known = places_.extract(primary_->netns);
  if (!known) return;
  Place& place = known.mapped();
  auto master = place.ifindexes.extract(primary_->master.value_or(""));
  place.ifindexes.clear();
  if (master) place.ifindexes.insert(std::move(master));
  keep_place(primary_->netns, std::move(place));
}

Outcome Executor::run(const Plan& plan) {
  if (places_.size() > kMaxPlaces) places_.clear();
  undo_.clear();
  unanswered_.clear();
  outcome_ = {};
  const auto start = Clock::now();
  for (size_t i = 0; i < plan.size(); ++i) {
    auto status = std::visit([this](const auto& one) { return step(one); }, plan[i]);
    if (status.ok() && i + 1 == plan.size()) status = await_switches();
    if (status.ok()) continue;
    outcome_.step = i;
    outcome_.error = std::move(status.error());
    undo_all();
    outcome_.ms = milliseconds_since(start);
    return outcome_;
  }
  outcome_.ok = true;
  outcome_.ms = milliseconds_since(start);
  return outcome_;
}

void Executor::undo_all() {
  for (auto undo = undo_.rbegin(); undo != undo_.rend(); ++undo) {
    if (auto undone = (*undo)(); !undone.ok()) {
      outcome_.undo_failed = true;
      outcome_.error.message += "; could not be undone: " + undone.error().message;
    }
  }
  undo_.clear();
  // Indexes of links that are gone again, and namespaces that nobody else may want alive.
  places_.clear();
}

Result<Place*> Executor::place(const std::string& path) {
  if (const auto known = places_.find(path); known != places_.end()) return &known->second;
  auto opened = open_place(path);
  if (!opened.ok()) return opened.error();
  return &places_.emplace(path, std::move(opened.value())).first->second;
}

Result<int> Executor::ifindex(const std::string& netns, const std::string& name) {
  auto where = place(netns);
  if (!where.ok()) return where.error();
  auto& known = where.value()->ifindexes;
  if (const auto entry = known.find(name); entry != known.end()) return entry->second;
  auto through = socket_of(*where.value());
  if (!through.ok()) return through.error();
  auto found = through.value()->ifindex(name);
  if (found.ok()) known.emplace(name, found.value());
  return found;
}

std::string Executor::resolved(const std::string& name) const {
  return !name.empty() && name.back() == '*' ? outcome_.ifname : name;
}

// The settings of a link end with the words that depend on the plan filled in: its master's index, and in
// its alias what the Vacant step found out.
Result<netlink::LinkSettings> Executor::settings(const LinkEnd& end) {
  netlink::LinkSettings filled = end.settings;
  if (end.master) {
    auto master = ifindex(end.netns, *end.master);
    if (!master.ok()) return master.error();
    filled.master = master.value();
  }
  if (filled.alias) filled.alias = this->filled(std::move(*filled.alias));
  return filled;
}

std::string Executor::filled(std::string text) const {
  substitute(text, "{ifname}", outcome_.ifname);
  substitute(text, "{netns}", std::to_string(outcome_.netns_id));
  return text;
}

Status Executor::undo_link(const std::string& netns, const MadeLink& made) {
  auto where = place(netns);
  if (!where.ok()) return where.error();
  auto through = socket_of(*where.value());
  if (!through.ok()) return through.error();
  return delete_made(*through.value(), made);
}

// The settings that the pair was made with.
Result<netlink::LinkSettings> Executor::add_veth(Place& where, const LinkEnd& primary,
                                                 const netlink::VethPeer& peer) {
  auto through = socket_of(where);
  if (!through.ok()) return through.error();
  for (;;) {
    const auto master = where.ifindexes.find(primary.master.value_or(""));
    const bool remembered = master != where.ifindexes.end();
    auto filled = settings(primary);
    if (!filled.ok()) return filled.error();
    filled.value().up = true;
    auto added = netlink::add_veth(*through.value(), primary.name, filled.value(), peer);
    if (added.ok()) return filled;
    if (added.error().err != EINVAL || !remembered) return added.error();
    // The kernel says no more of a master that is gone. It may have been made anew in the meantime.
    where.ifindexes.erase(master);
  }
}

Status Executor::step(const AddVeth& step) {
  auto where = place(step.primary.netns);
  if (!where.ok()) return where.error();
  auto there = place(step.peer.netns);
  if (!there.ok()) return there.error();
  const netlink::VethPeer peer{there.value()->netns.fd.get(), resolved(step.peer.name), step.peer.settings};
  auto made_with = add_veth(*where.value(), step.primary, peer);
  if (!made_with.ok()) return made_with.error();
  primary_ = step.primary;
  undo_.push_back([this, netns = step.primary.netns, there = step.peer.netns, name = peer.name,
                   made = MadeLink{step.primary.name, made_with.value().alias}]() mutable {
    auto& known = places_.find(there)->second.ifindexes;
    if (const auto peer = known.find(name); peer != known.end()) made.peer = peer->second;
    return undo_link(netns, made);
  });
  return Done{};
}

// A new tap with these settings, or the one that is there when the step says so.
Result<Fd> Executor::open_tap(const AddTap& step, const std::string& name,
                              const netlink::LinkSettings& settings) {
  auto where = place(step.link.netns);
  if (!where.ok()) return where.error();
  auto through = socket_of(*where.value());
  if (!through.ok()) return through.error();
  if (step.mark) {
    auto link = netlink::get_link(*through.value(), name, netlink::Statistics::kSkipped);
    if (!link.ok()) return link.error();
    if (!link.value().alias.starts_with(*step.mark)) {
      return Error{"tap open", EEXIST, "the interface " + name + " is not ours", {}};
    }
  }
  auto opened = [&]() -> Result<Fd> {
    auto inside = netns::Scope::enter(where.value()->netns);
    if (!inside.ok()) return inside.error();
    return tap::open_tap(name, step.mark ? tap::Existing::kRequired : tap::Existing::kRefused);
  }();
  if (!opened.ok() || step.mark) return opened;
  undo_.push_back([this, netns = step.link.netns, made = MadeLink{name, std::nullopt}] {
    return undo_link(netns, made);
  });
  auto set = netlink::set_link(*through.value(), name, settings);
  if (!set.ok()) return set.error();
  return opened;
}

Status Executor::step(const AddTap& step) {
  const std::string name = resolved(step.link.name);
  auto wanted = settings(step.link);
  if (!wanted.ok()) return wanted.error();
  auto opened = open_tap(step, name, wanted.value());
  if (!opened.ok()) return opened.error();
  auto handed =
      tap::hand_over(step.control, {step.port, name, filled(step.label), step.vde}, opened.value().get());
  if (!handed.ok()) return handed.error();
  auto answer = std::make_shared<tap::Answer>(std::move(handed.value()));
  unanswered_.push_back(answer);
  undo_.push_back([control = step.control, port = step.port, answer]() -> Status {
    if (!answer->await().ok()) return Done{};  // so it is not there
    return unless_gone(tap::take_back(control, port), {ENXIO, ENOENT, ECONNREFUSED, ECONNRESET});
  });
  return Done{};
}

Status Executor::await_switches() {
  for (const auto& answer : std::exchange(unanswered_, {})) {
    if (const auto& told = answer->await(); !told.ok()) return told;
  }
  return Done{};
}

Status Executor::step(const AdoptLink& step) {
  auto where = place(step.link.netns);
  if (!where.ok()) return where.error();
  auto there = place(step.to);
  if (!there.ok()) return there.error();
  auto through = socket_of(*where.value());
  if (!through.ok()) return through.error();
  auto wanted = settings(step.link);
  if (!wanted.ok()) return wanted.error();
  where.value()->ifindexes.erase(step.link.name);
  const netlink::Destination destination{there.value()->netns.fd.get(), resolved(step.as)};
  return netlink::move_link(*through.value(), step.link.name, destination, wanted.value());
}

Status Executor::step(const AddBridge& step) {
  auto where = place(step.bridge.netns);
  if (!where.ok()) return where.error();
  auto through = socket_of(*where.value());
  if (!through.ok()) return through.error();
  netlink::LinkSettings settings = step.bridge.settings;
  settings.up = true;
  if (auto added = netlink::add_bridge(*through.value(), step.bridge.name, settings); !added.ok())
    return added;
  undo_.push_back([this, netns = step.bridge.netns, made = MadeLink{step.bridge.name, settings.alias}] {
    return undo_link(netns, made);
  });
  return Done{};
}

Status Executor::step(const SetLink& step) {
  auto where = place(step.link.netns);
  if (!where.ok()) return where.error();
  auto through = socket_of(*where.value());
  if (!through.ok()) return through.error();
  // Most targets have theirs up already.
  if (step.link.name == kLoopback && where.value()->loopback_up && only_up(step.link)) return Done{};
  auto wanted = settings(step.link);
  if (!wanted.ok()) return wanted.error();
  return netlink::set_link(*through.value(), resolved(step.link.name), wanted.value());
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
  undo_.push_back([this, netns = step.netns, address]() -> Status {
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
  undo_.push_back([this, netns = step.netns, route]() -> Status {
    auto where = place(netns);
    if (!where.ok()) return where.error();
    auto through = socket_of(*where.value());
    if (!through.ok()) return through.error();
    return unless_gone(netlink::delete_route(*through.value(), route), {ESRCH, ENODEV});
  });
  return Done{};
}

Status Executor::step(const DisableTxChecksum& step) {
  auto where = place(step.netns);
  if (!where.ok()) return where.error();
  auto inside = netns::Scope::enter(where.value()->netns);
  if (!inside.ok()) return inside.error();
  return ethtool::disable_tx_checksum(resolved(step.name));
}

Status Executor::step(const SetSysctl& step) {
  auto where = place(step.netns);
  if (!where.ok()) return where.error();
  auto inside = netns::Scope::enter(where.value()->netns);
  if (!inside.ok()) return inside.error();
  std::string key = step.key;
  substitute(key, "{ifname}", outcome_.ifname);
  auto before = write_sysctl(key, step.value);
  if (!before.ok() && step.optional) return unless_gone(before.error(), {ENOENT, EACCES, EPERM, EROFS});
  if (!before.ok()) return before.error();
  undo_.push_back([this, netns = step.netns, key, before = before.value()]() -> Status {
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
  undo_.push_back([name = step.name] { return unless_gone(netns::delete_named(name), {ENOENT}); });
  return Done{};
}

Status Executor::step(const AwaitReady& step) {
  if (auto answered = await_switches(); !answered.ok()) return answered;
  auto where = place(step.netns);
  if (!where.ok()) return where.error();
  auto through = socket_of(*where.value());
  if (!through.ok()) return through.error();
  const auto deadline = Clock::now() + kReadyTimeout;
  for (;;) {
    auto link = netlink::get_link(*through.value(), resolved(step.name), netlink::Statistics::kSkipped);
    if (!link.ok()) return link.error();
    if (primary_ && step.netns == primary_->netns && step.name == primary_->name) {
      outcome_.ifindex = link.value().ifindex;
    }
    if (link.value().in_service || Clock::now() > deadline) return Done{};
    std::this_thread::sleep_for(kReadyPause);
  }
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

Status Executor::refuse(const std::string& what, const std::string& value, const std::string& by) {
  outcome_.taken = what;
  outcome_.taken_by = by;
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
  outcome_.netns_id = where.value()->netns.id;
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
  outcome_.ifname = step.name;
  if (!step.name.empty() && step.name.back() == '*') {
    const std::string stem = step.name.substr(0, step.name.size() - 1);
    size_t number = 0;
    while (named(stem + std::to_string(number))) ++number;
    outcome_.ifname = stem + std::to_string(number);
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

}  // namespace ecdock::plan
