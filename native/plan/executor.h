#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "plan/place.h"
#include "plan/plan.h"
#include "plan/undo.h"
#include "tap/control.h"

namespace ecdock::plan {

// Executes the plans of one call on the calling thread. Namespaces and their sockets are opened once and kept
// for the plans that follow, so a bulk plug opens its vswitch's namespace once; that one the thread keeps
// when this ends.
class Executor {
 public:
  Executor() = default;
  Executor(const Executor&) = delete;
  Executor& operator=(const Executor&) = delete;
  ~Executor();

  // Runs the steps of each plan in order; when one fails, what the earlier ones of its plan made is undone,
  // last first. One plan comes after the other, but for those that meet: then some take turns, each in a
  // target of its own.
  std::vector<Outcome> run(const std::vector<Plan>& plans);

 private:
  using Undo = std::function<Status()>;

  // How far a plan has come.
  struct Progress {
    const Plan* plan;
    size_t next = 0;                                       // index of a step
    std::optional<LinkEnd> primary;                        // of the last pair that was made
    std::vector<std::shared_ptr<tap::Answer>> unanswered;  // of switches that have been handed taps
    std::vector<Undo> undo;
    std::set<std::string> places;                                // that it has been in
    std::vector<std::pair<std::string, std::string>> looked_up;  // links whose index it asked for
    Outcome outcome;
    bool ended = false;
  };

  size_t begin(std::span<const Plan> plans);
  void go_on(Progress& progress);
  void fail(Error error);

  Result<Place*> place(const std::string& netns);
  Result<int> ifindex(const std::string& netns, const std::string& name);
  std::string resolved(const std::string& name) const;
  Result<netlink::LinkSettings> settings(const LinkEnd& end);
  std::string filled(std::string text) const;
  Status await_switches();
  Status undo_link(const std::string& netns, const MadeLink& made);
  void undo_all();
  void leave_places();

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
  Status step(const Meet&) { return Done{}; }
  Status refuse(const std::string& what, const std::string& value, const std::string& by);

  std::map<std::string, Place> places_;
  std::optional<LinkEnd> primary_;  // of the last pair of any plan: its place is a vswitch's, and is kept
  std::vector<Progress> side_by_side_;
  Progress* now_ = nullptr;
};

}  // namespace ecdock::plan
