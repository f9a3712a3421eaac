#pragma once

#include <map>
#include <optional>
#include <string>

#include "netlink/socket.h"
#include "netns/network_namespace.h"
#include "result.h"

namespace ecdock::plan {

// A network namespace that plans work in, with what has been opened and learnt there.
struct Place {
  netns::NetworkNamespace netns;
  std::optional<netlink::Socket> socket;
  std::map<std::string, int> ifindexes;
};

// The place that `path` leads to now, '' for the thread's own namespace: the one that this thread has kept,
// or a new one.
Result<Place> open_place(const std::string& path);

// The socket of a place, opened when it is first asked for.
Result<netlink::Socket*> socket_of(Place& place);

// Keeps a place for the thread's next plan, which saves the dozen system calls that open it. One place a
// thread; the namespace lives at least as long, so this is for a vswitch's, never for a target's.
void keep_place(const std::string& path, Place place);

// To be called when a thread has had nothing to do for a while.
void forget_kept_place();

}  // namespace ecdock::plan
