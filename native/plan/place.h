#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "netlink/address.h"
#include "netlink/link.h"
#include "netlink/socket.h"
#include "netns/network_namespace.h"
#include "result.h"

namespace ecdock::plan {

// What every namespace has.
inline constexpr char kLoopback[] = "lo";

// What there is in a namespace: its links, without statistics, and their addresses.
struct Survey {
  std::chrono::steady_clock::time_point begun;
  std::vector<netlink::Link> links;
  std::vector<netlink::InterfaceAddress> addresses;
};

// A network namespace that plans work in, with what has been opened and learnt there.
struct Place {
  netns::NetworkNamespace netns;
  std::optional<netlink::Socket> socket;
  std::map<std::string, int> ifindexes;
  std::optional<Survey> surveyed;  // beforehand
  bool loopback_up = false;        // as a survey has seen
};

// The place that `path` leads to now, '' for the thread's own namespace: the one that this thread has kept,
// or a new one.
Result<Place> open_place(const std::string& path);

// The socket of a place, opened when it is first asked for.
Result<netlink::Socket*> socket_of(Place& place);

// Looks around in a place, unless that has just been done: what was seen beforehand serves once.
Result<Survey> survey(Place& place);

// Opens a place and looks around there for the thread's next plan, which is about to come: so that this is
// done by the time that the plan is compiled. Nothing is changed there. What fails is left to the plan, which
// says why.
void expect_place(const std::string& path);

// Lets go of an expected place that no plan has come for.
void forget_expected_place();

// Keeps a place for the thread's next plan, which saves the dozen system calls that open it. One place a
// thread; the namespace lives at least as long, so this is for a vswitch's, never for a target's.
void keep_place(const std::string& path, Place place);

// To be called when a thread has had nothing to do for a while: lets go of both, the kept place and the
// expected one.
void forget_places();

}  // namespace ecdock::plan
