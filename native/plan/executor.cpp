#include "plan/executor.h"

#include <algorithm>
#include <chrono>
#include <string_view>
#include <utility>

#include "netlink/link.h"

namespace ecdock::plan {

namespace {

using Clock = std::chrono::steady_clock;

// Each open place holds two descriptors; a bulk plug of thousands must not run out of them.
constexpr size_t kMaxPlaces = 64;
// Plans that wait for each other hold their places open. No less than PLANS_A_CALL of
// src/vswitch/plugging.ts.
constexpr size_t kSideBySide = 32;

double milliseconds_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

void substitute(std::string& text, std::string_view placeholder, const std::string& value) {
  if (const size_t at = text.find(placeholder); at != std::string::npos) {
    text.replace(at, placeholder.size(), value);
  }
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

std::vector<Outcome> Executor::run(const std::vector<Plan>& plans) {
  std::vector<Outcome> outcomes;
  outcomes.reserve(plans.size());
  std::span<const Plan> rest(plans);
  while (!rest.empty()) {
    const size_t some = begin(rest);
    for (bool all_ended = false; !all_ended;) {
      all_ended = true;
      for (auto& progress : side_by_side_) {
        if (!progress.ended) go_on(progress);
        all_ended = all_ended && progress.ended;
      }
    }
    for (auto& progress : side_by_side_) outcomes.push_back(std::move(progress.outcome));
    rest = rest.subspan(some);
  }
  return outcomes;
}

// Begins as many of the plans as can take turns, and tells how many. What one of them does to its target, and
// undoes there, another would build on.
size_t Executor::begin(std::span<const Plan> plans) {
  std::set<std::string> targets;
  const auto own_target = [&](const Plan& plan) {
    return std::ranges::all_of(plan, [&](const Step& step) {
      const auto* vacant = std::get_if<CheckVacant>(&step);
      return vacant == nullptr || targets.insert(vacant->netns).second;
    });
  };
  size_t some = 1;
  (void)own_target(plans.front());
  while (some < std::min(plans.size(), kSideBySide) && own_target(plans[some])) ++some;
  if (places_.size() + some > kMaxPlaces) places_.clear();
  side_by_side_.clear();
  side_by_side_.reserve(some);
  for (const auto& plan : plans.first(some)) side_by_side_.push_back({.plan = &plan});
  return some;
}

// Until the plan has ended, or is to meet the others.
void Executor::go_on(Progress& progress) {
  now_ = &progress;
  const Plan& plan = *progress.plan;
  const auto start = Clock::now();
  bool meets = false;
  while (!progress.ended && !meets) {
    if (progress.next == plan.size()) {
      progress.outcome.ok = progress.ended = true;
      break;
    }
    auto status = std::visit([this](const auto& one) { return step(one); }, plan[progress.next]);
    meets = std::holds_alternative<Meet>(plan[progress.next]);
    ++progress.next;
    if (status.ok() && progress.next == plan.size()) status = await_switches();
    if (!status.ok()) fail(std::move(status.error()));
  }
  progress.outcome.ms += milliseconds_since(start);
}

void Executor::fail(Error error) {
  now_->outcome.step = now_->next - 1;
  now_->outcome.error = std::move(error);
  undo_all();
  leave_places();
  now_->ended = true;
}

Status Executor::await_switches() {
  for (const auto& answer : std::exchange(now_->unanswered, {})) {
    if (const auto& told = answer->await(); !told.ok()) return told;
  }
  return Done{};
}

void Executor::undo_all() {
  for (auto undo = now_->undo.rbegin(); undo != now_->undo.rend(); ++undo) {
    if (auto undone = (*undo)(); !undone.ok()) {
      now_->outcome.undo_failed = true;
      now_->outcome.error.message += "; could not be undone: " + undone.error().message;
    }
  }
  now_->undo.clear();
}

// Forgets the indexes of links that are gone again, and lets go of namespaces that nobody else may want
// alive. What another plan has opened stays: it goes on in the namespace that it began in.
void Executor::leave_places() {
  for (const auto& path : now_->places) {
    const auto in_use = [&](const Progress& other) {
      return &other != now_ && !other.ended && other.places.contains(path);
    };
    if (!std::ranges::any_of(side_by_side_, in_use)) places_.erase(path);
  }
  for (const auto& [path, name] : now_->looked_up) {
    if (const auto known = places_.find(path); known != places_.end()) known->second.ifindexes.erase(name);
  }
}

Result<Place*> Executor::place(const std::string& path) {
  now_->places.insert(path);
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
  if (found.ok()) {
    known.emplace(name, found.value());
    now_->looked_up.emplace_back(netns, name);
  }
  return found;
}

std::string Executor::resolved(const std::string& name) const {
  return !name.empty() && name.back() == '*' ? now_->outcome.ifname : name;
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
  substitute(text, "{ifname}", now_->outcome.ifname);
  substitute(text, "{netns}", std::to_string(now_->outcome.netns_id));
  return text;
}

Status Executor::undo_link(const std::string& netns, const MadeLink& made) {
  auto where = place(netns);
  if (!where.ok()) return where.error();
  auto through = socket_of(*where.value());
  if (!through.ok()) return through.error();
  return delete_made(*through.value(), made);
}

}  // namespace ecdock::plan
