#pragma once

#include <atomic>
#include <string>
#include <vector>

#include "result.h"

namespace ecdock::probe {

inline constexpr double kLongestTimeoutMs = 60'000;

struct Echo {
  std::string netns;
  std::string address;
  double timeout_ms = 0;
};

struct EchoOutcome {
  bool reply = false;
  double rtt_us = 0;
  std::string error;  // why it could not be sent
};

// Sends one ICMP (RFC 792) or ICMPv6 (RFC 4443) echo request for each, all at the same time, and waits for
// the replies, for each at most its time-out, and no longer when `stop` becomes true. Needs CAP_NET_RAW in
// the namespaces.
std::vector<EchoOutcome> send_echoes(const std::vector<Echo>& echoes, const std::atomic<bool>& stop);

}  // namespace ecdock::probe
