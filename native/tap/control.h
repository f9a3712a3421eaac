#pragma once

#include <cstdint>
#include <string>

#include "result.h"

namespace ecdock::tap {

// The control socket of ecdock-switch (docs/ecdock-switch.md), as far as plans need it. Each waits for the
// switch's answer for five seconds at most: ETIMEDOUT. The switch's own errors keep their errno and text.

struct Handover {
  uint32_t port = 0;
  std::string name;   // of the interface
  std::string label;  // what the switch is to remember of the port
  std::string vde;    // in cable mode: the directory of the switch to plug it into, else empty
};

// Hands the tap's descriptor to the switch that listens at `control`. EBUSY when the port is taken.
Status hand_over(const std::string& control, const Handover& handover, int tap);

// Takes a port back. ENXIO when the switch has no such port.
Status take_back(const std::string& control, uint32_t port);

}  // namespace ecdock::tap
