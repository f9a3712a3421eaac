#include "plan/place.h"

#include <utility>

namespace ecdock::plan {

namespace {

using Clock = std::chrono::steady_clock;

// How old a survey may be that was made beforehand: a plan that is expected comes within a tenth of that.
// What somebody else makes meanwhile the kernel refuses by its name, as it does what is made after any
// survey.
constexpr auto kFresh = std::chrono::milliseconds(1);

struct Kept {
  std::string path;
  Place place;
};

thread_local std::optional<Kept> kept;
thread_local std::optional<Kept> expected;

// The place that was opened beforehand, if that is where `path` leads now.
std::optional<Place> take(std::optional<Kept>& opened, const std::string& path) {
  if (!opened || opened->path != path || !netns::still_leads_to(path, opened->place.netns))
    return std::nullopt;
  Place place = std::move(opened->place);
  opened.reset();
  return place;
}

}  // namespace

Result<Place> open_place(const std::string& path) {
  for (auto* beforehand : {&expected, &kept}) {
    if (auto place = take(*beforehand, path)) return std::move(*place);
  }
  auto opened = netns::open_namespace(path);
  if (!opened.ok()) return opened.error();
  return Place{std::move(opened.value()), std::nullopt, {}, std::nullopt};
}

Result<netlink::Socket*> socket_of(Place& place) {
  if (!place.socket) {
    auto inside = netns::Scope::enter(place.netns);
    if (!inside.ok()) return inside.error();
    auto opened = netlink::Socket::open();
    if (!opened.ok()) return opened.error();
    place.socket.emplace(std::move(opened.value()));
  }
  return &*place.socket;
}

Result<Survey> survey(Place& place) {
  if (auto beforehand = std::exchange(place.surveyed, std::nullopt)) {
    if (Clock::now() - beforehand->begun < kFresh) return std::move(*beforehand);
  }
  auto through = socket_of(place);
  if (!through.ok()) return through.error();
  Survey seen{Clock::now(), {}, {}};
  auto links = netlink::list_links(*through.value(), netlink::Statistics::kSkipped);
  if (!links.ok()) return links.error();
  seen.links = std::move(links.value());
  auto addresses = netlink::list_addresses(*through.value());
  if (!addresses.ok()) return addresses.error();
  seen.addresses = std::move(addresses.value());
  return seen;
}

void expect_place(const std::string& path) {
  auto place = open_place(path);
  if (!place.ok()) return;
  // The process's own namespace is no target, and may have links by the thousand.
  if (auto own = netns::is_home(place.value().netns); !own.ok() || own.value()) return;
  auto seen = survey(place.value());
  if (!seen.ok()) return;
  place.value().surveyed = std::move(seen.value());
  expected = Kept{path, std::move(place.value())};
}

void forget_expected_place() { expected.reset(); }

void keep_place(const std::string& path, Place place) { kept = Kept{path, std::move(place)}; }

void forget_places() {
  kept.reset();
  expected.reset();
}

}  // namespace ecdock::plan
