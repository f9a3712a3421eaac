#include "plan/executor.h"

#include <chrono>
#include <string_view>
#include <utility>

#include "netlink/link.h"

namespace ecdock::plan {

namespace {

using Clock = std::chrono::steady_clock;

// Each open place holds two descriptors; a bulk plug of thousands must not run out of them.
constexpr size_t kMaxPlaces = 64;

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

Status Executor::await_switches() {
  for (const auto& answer : std::exchange(unanswered_, {})) {
    if (const auto& told = answer->await(); !told.ok()) return told;
  }
  return Done{};
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

}  // namespace ecdock::plan
