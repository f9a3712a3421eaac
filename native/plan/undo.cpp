#include "plan/undo.h"

#include <algorithm>
#include <cerrno>

#include "netlink/link.h"

namespace ecdock::plan {

Status unless_gone(Status undone, std::initializer_list<int> gone) {
  if (undone.ok()) return undone;
  if (std::find(gone.begin(), gone.end(), undone.error().err) != gone.end()) return Done{};
  return undone;
}

Status delete_made(netlink::Socket& socket, const MadeLink& made) {
  auto link = netlink::get_link(socket, made.name, netlink::Statistics::kSkipped);
  if (!link.ok()) return unless_gone(link.error(), {ENODEV});
  const netlink::Link& found = link.value();
  const bool same_mark = !made.alias || *made.alias == found.alias;
  // Older kernels leave the peer's index out when the link itself happens to have the same.
  const bool same_peer = made.peer == 0 || found.peer == 0 || found.peer == made.peer;
  if (!same_mark || !same_peer) return Done{};
  return unless_gone(netlink::delete_link(socket, found.ifindex), {ENODEV});
}

}  // namespace ecdock::plan
