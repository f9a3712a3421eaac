#pragma once

#include <initializer_list>
#include <optional>
#include <string>

#include "netlink/socket.h"
#include "result.h"

namespace ecdock::plan {

// What was to be undone may be gone already: it went with its target, or somebody else took it away. `gone`
// are the errors that say so.
Status unless_gone(Status undone, std::initializer_list<int> gone);

// What is known of a link that a plan has made. The kernel does not tell the index of a link that it makes,
// and to ask for it would cost every plan a call that only a failed one needs.
struct MadeLink {
  std::string name;
  std::optional<std::string> alias;
  int peer = 0;  // ifindex of a veth's other end, 0 when it has not been learnt
};

// Deletes the link, but not another one that has got its name in the meantime.
Status delete_made(netlink::Socket& socket, const MadeLink& made);

}  // namespace ecdock::plan
