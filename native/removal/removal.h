#pragma once

#include <string>
#include <vector>

#include "netlink/socket.h"
#include "result.h"

namespace ecdock::removal {

// Deletes links in the namespace of the socket. One deletion makes the kernel wait as long as hundreds in one
// go do, so several links are put into a group that nobody uses, and the group is deleted. Links that are
// gone already are no error; when the grouping fails, all are back in their groups.
Status delete_links(netlink::Socket& socket, const std::vector<int>& ifindexes);

// A link that may be deleted only when its alias begins with `mark`.
struct MarkedLink {
  std::string name;
  std::string mark;
};
enum class Outcome { kDeleted, kAbsent, kForeign };

// As delete_links, for links that still have to be found. One outcome for each, in order.
Result<std::vector<Outcome>> delete_marked(netlink::Socket& socket, const std::vector<MarkedLink>& wanted);

}  // namespace ecdock::removal
