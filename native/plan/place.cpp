#include "plan/place.h"

#include <utility>

namespace ecdock::plan {

namespace {

struct Kept {
  std::string path;
  Place place;
};

thread_local std::optional<Kept> kept;

}  // namespace

Result<Place> open_place(const std::string& path) {
  if (kept && kept->path == path && netns::still_leads_to(path, kept->place.netns)) {
    Place place = std::move(kept->place);
    kept.reset();
    return place;
  }
  auto opened = netns::open_namespace(path);
  if (!opened.ok()) return opened.error();
  return Place{std::move(opened.value()), std::nullopt, {}};
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

void keep_place(const std::string& path, Place place) { kept = Kept{path, std::move(place)}; }

void forget_kept_place() { kept.reset(); }

}  // namespace ecdock::plan
