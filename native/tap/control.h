#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "fd.h"
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

// What a switch has been asked and has not answered yet.
class Answer {
 public:
  Answer(std::string control, Fd connection)
      : control_(std::move(control)), connection_(std::move(connection)) {}

  // The answer, waited for when it is first asked for.
  const Status& await();

 private:
  std::string control_;
  Fd connection_;
  std::optional<Status> told_;
};

// A thread keeps the connection that the last answer came by for its next request.
// To be called when it has had nothing to do for a while.
void forget_kept_connection();

// Hands the tap's descriptor to the switch that listens at `control`, which sets the port up while the caller
// goes on. The answer is EBUSY when the port is taken.
Result<Answer> hand_over(const std::string& control, const Handover& handover, int tap);

// Takes a port back. ENXIO when the switch has no such port.
Status take_back(const std::string& control, uint32_t port);

}  // namespace ecdock::tap
