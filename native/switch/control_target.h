#pragma once

#include <functional>
#include <optional>
#include <string>

#include "fd.h"
#include "result.h"
#include "switch/forwarding_table.h"

namespace ecdock::vde {

struct TapRequest {
  std::optional<PortNumber> port;
  std::string name;   // of its interface
  std::string label;  // the record of the port, opaque
  std::string vde;    // the directory of the VDE switch to connect it to; empty unless in cable mode
};

// What the control socket rules over: a switch, or cables.
class ControlTarget {
 public:
  virtual ~ControlTarget() = default;

  // `answer` is called once, now or later, on the loop's thread.
  virtual void add_tap(TapRequest request, Fd tap, std::function<void(Result<PortNumber>)> answer) = 0;
  // The port is out at once, and the answer comes when its descriptor is closed. ENXIO when there is none.
  virtual void unplug(PortNumber port, std::function<void(Status)> answer) = 0;
  // Lines of data for all ports, or for one; ENXIO when there is no such.
  virtual Result<std::string> list(std::optional<PortNumber> port) = 0;
  // The line that answers `status`.
  virtual std::string status() = 0;
  virtual Status set_max_ports(PortNumber number) = 0;
  virtual void shut_down() = 0;
};

}  // namespace ecdock::vde
