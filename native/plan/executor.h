#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "plan/place.h"
#include "plan/plan.h"
#include "plan/undo.h"
#include "tap/control.h"

namespace ecdock::plan {

// Executes plans on the calling thread. Namespaces and their sockets are opened once and kept for the plans
// that follow, so a bulk plug opens its vswitch's namespace once; that one the thread keeps when this ends.
class Executor {
 public:
  Executor() = default;
  Executor(const Executor&) = delete;
  Executor& operator=(const Executor&) = delete;
  ~Executor();

  // Runs the steps in order; when one fails, what the earlier ones made is undone, last first.
  Outcome run(const Plan& plan);

 private:
  using Undo = std::function<Status()>;

  Result<Place*> place(const std::string& netns);
  Result<int> ifindex(const std::string& netns, const std::string& name);
  std::string resolved(const std::string& name) const;
  Result<netlink::LinkSettings> settings(const LinkEnd& end);
  std::string filled(std::string text) const;
  Status await_switches();
  Status undo_link(const std::string& netns, const MadeLink& made);
  void undo_all();

  // link_steps.cpp
  Status step(const AddVeth& step);
  Status step(const AddTap& step);
  Status step(const AdoptLink& step);
  Status step(const AddBridge& step);
  Status step(const SetLink& step);
  Status step(const DisableTxChecksum& step);
  Status step(const AwaitReady& step);
  Result<netlink::LinkSettings> add_veth(Place& where, const LinkEnd& primary, const netlink::VethPeer& peer);
  Result<Fd> open_tap(const AddTap& step, const std::string& name, const netlink::LinkSettings& settings);

  // namespace_steps.cpp
  Status step(const AddNamespace& step);
  Status step(const CheckVacant& step);
  Status step(const CheckAlive& step);
  Status step(const SetSysctl& step);
  Status step(const AddAddress& step);
  Status step(const AddRoute& step);
  Status step(const AnnounceAddresses& step);
  Status refuse(const std::string& what, const std::string& value, const std::string& by);

  std::map<std::string, Place> places_;
  std::optional<LinkEnd> primary_;  // of the last pair that was made: its place is a vswitch's
  std::vector<std::shared_ptr<tap::Answer>> unanswered_;  // of switches that have been handed taps
  std::vector<Undo> undo_;
  Outcome outcome_;
};

}  // namespace ecdock::plan
