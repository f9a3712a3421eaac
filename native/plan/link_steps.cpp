#include <cerrno>
#include <chrono>
#include <memory>
#include <thread>

#include "ethtool/offload.h"
#include "netlink/link.h"
#include "plan/executor.h"
#include "tap/control.h"
#include "tap/tap.h"

// Steps that make interfaces, change them, and wait for them.
namespace ecdock::plan {

namespace {

using Clock = std::chrono::steady_clock;

constexpr auto kReadyTimeout = std::chrono::seconds(1);
constexpr auto kReadyPause = std::chrono::microseconds(200);

// Nothing is asked for but that the link be up.
bool only_up(const LinkEnd& end) {
  const auto& [mac, mtu, group, master, alias, up] = end.settings;
  return up == true && !mac && !mtu && !group && !master && !alias && !end.master;
}

}  // namespace

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
    filled.value().up = primary.settings.up.value_or(true);
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
  primary_ = now_->primary = step.primary;
  now_->undo.push_back([this, netns = step.primary.netns, there = step.peer.netns, name = peer.name,
                        made = MadeLink{step.primary.name, made_with.value().alias}]() mutable {
    if (const auto known = places_.find(there); known != places_.end()) {
      const auto& indexes = known->second.ifindexes;
      if (const auto peer = indexes.find(name); peer != indexes.end()) made.peer = peer->second;
    }
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
  now_->undo.push_back([this, netns = step.link.netns, made = MadeLink{name, std::nullopt}] {
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
  now_->unanswered.push_back(answer);
  now_->undo.push_back([control = step.control, port = step.port, answer]() -> Status {
    if (!answer->await().ok()) return Done{};  // so it is not there
    return unless_gone(tap::take_back(control, port), {ENXIO, ENOENT, ECONNREFUSED, ECONNRESET});
  });
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
  now_->undo.push_back([this, netns = step.bridge.netns, made = MadeLink{step.bridge.name, settings.alias}] {
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

Status Executor::step(const DisableTxChecksum& step) {
  auto where = place(step.netns);
  if (!where.ok()) return where.error();
  auto inside = netns::Scope::enter(where.value()->netns);
  if (!inside.ok()) return inside.error();
  return ethtool::disable_tx_checksum(resolved(step.name));
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
    if (now_->primary && step.netns == now_->primary->netns && step.name == now_->primary->name) {
      now_->outcome.ifindex = link.value().ifindex;
    }
    if (link.value().in_service || Clock::now() > deadline) return Done{};
    std::this_thread::sleep_for(kReadyPause);
  }
}

}  // namespace ecdock::plan
