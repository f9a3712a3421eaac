#include "switch/port_line.h"

#include "switch/control_message.h"

namespace ecdock::vde {

const char* kind_name(Identity::Kind kind) {
  switch (kind) {
    case Identity::Kind::tap:
      return "tap";
    case Identity::Kind::vde:
      return "vde";
    case Identity::Kind::cable:
      return "cable";
  }
  return "";
}

std::string port_line(const Endpoint& endpoint) {
  const Identity& identity = endpoint.identity();
  const Counters& counters = endpoint.counters();
  ControlLine line("port");
  line.field("n", endpoint.port)
      .field("kind", kind_name(identity.kind))
      .field("label", identity.label)
      .field("name", identity.name)
      .field("rx-packets", counters.rx_packets)
      .field("rx-bytes", counters.rx_bytes)
      .field("tx-packets", counters.tx_packets)
      .field("tx-bytes", counters.tx_bytes)
      .field("drops", counters.drops)
      .field("queued", endpoint.queue().frames())
      .field("offload", endpoint.offload() ? 1 : 0);
  if (identity.kind == Identity::Kind::vde) {
    line.field("pid", static_cast<uint64_t>(identity.pid))
        .field("uid", identity.uid)
        .field("description", identity.description);
  }
  return line.take();
}

std::string port_added_line(PortNumber number, const Identity& identity) {
  return ControlLine("event port-added")
      .field("n", number)
      .field("kind", kind_name(identity.kind))
      .field("label", identity.label)
      .field("name", identity.name)
      .take();
}

std::string port_removed_line(PortNumber number, const std::string& reason) {
  return ControlLine("event port-removed").field("n", number).field("reason", reason).take();
}

}  // namespace ecdock::vde
