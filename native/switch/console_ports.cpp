// The menu port/ of the management console.
#include <cerrno>

#include "switch/console_arguments.h"
#include "switch/console_commands.h"
#include "switch/console_text.h"

namespace ecdock::vde {

namespace {

const char* module_name(Identity::Kind kind) { return kind == Identity::Kind::tap ? "tuntap" : "unix prog"; }

// The number as an errno of the console: what is taken is in use there.
int console_errno(const Status& status) {
  if (status.ok()) return 0;
  return status.error().err == EBUSY ? EADDRINUSE : status.error().err;
}

}  // namespace

int ConsoleCommands::port_showinfo(Call& call) {
  call.data = console_format("Numports=%u\nHUB=%s\ncounters=true\n", switch_.max_ports(),
                             switch_.hub() ? "true" : "false");
  return 0;
}

int ConsoleCommands::port_setnumports(Call& call) {
  const int64_t number = console_number(call.argument);
  if (!in_range(number, Switch::kMostPorts)) return EINVAL;
  return console_errno(switch_.set_max_ports(static_cast<PortNumber>(number)));
}

int ConsoleCommands::port_sethub(Call& call) {
  switch_.set_hub(console_number(call.argument) != 0);
  return 0;
}

int ConsoleCommands::port_setvlan(Call& call) {
  const auto numbers = console_numbers(call.argument);
  if (!numbers || !in_range(numbers->first, switch_.max_ports()) || !in_range(numbers->second, kNoVlan))
    return EINVAL;
  return console_errno(switch_.set_untagged_vlan(static_cast<PortNumber>(numbers->first),
                                                 static_cast<uint16_t>(numbers->second)));
}

int ConsoleCommands::port_createauto(Call& call) {
  for (PortNumber number = 1; number <= switch_.max_ports(); ++number) {
    if (switch_.port(number) != nullptr) continue;
    call.data = console_format("Port %04u\n", number);
    return console_errno(switch_.reserve_port(number));
  }
  return ENOSPC;
}

int ConsoleCommands::port_create(Call& call) {
  const int64_t number = console_number(call.argument);
  if (!in_range(number, switch_.max_ports())) return EINVAL;
  if (switch_.port(static_cast<PortNumber>(number)) != nullptr) return EEXIST;
  return console_errno(switch_.reserve_port(static_cast<PortNumber>(number)));
}

int ConsoleCommands::port_remove(Call& call) {
  const int64_t number = console_number(call.argument);
  if (!in_range(number, switch_.max_ports())) return EINVAL;
  return console_errno(switch_.remove_port(static_cast<PortNumber>(number)));
}

int ConsoleCommands::port_allocatable(Call& call) {
  const auto numbers = console_numbers(call.argument);
  if (!numbers || !in_range(numbers->first, switch_.max_ports())) return EINVAL;
  Port* const port = switch_.port(static_cast<PortNumber>(numbers->first));
  if (port == nullptr) return ENXIO;
  port->reserved = numbers->second == 0;
  return 0;
}

int ConsoleCommands::port_setuser(Call& call) {
  const auto number = take_number(call.argument);
  const std::string_view name = trimmed(call.argument);
  if (!number || !in_range(*number, switch_.max_ports())) return EINVAL;
  Port* const port = switch_.port(static_cast<PortNumber>(*number));
  if (port == nullptr) return ENXIO;
  const auto user = name == "NONE" ? std::optional<uint32_t>() : users_.id_of(name);
  if (!user && name != "NONE") return EINVAL;
  port->allowed_user = user;
  return 0;
}

int ConsoleCommands::port_setgroup(Call& call) {
  const auto number = take_number(call.argument);
  const std::string_view name = trimmed(call.argument);
  if (!number || !in_range(*number, switch_.max_ports())) return EINVAL;
  Port* const port = switch_.port(static_cast<PortNumber>(*number));
  if (port == nullptr) return ENXIO;
  const auto group = name == "NONE" ? std::optional<uint32_t>() : groups_.id_of(name);
  if (!group && name != "NONE") return EINVAL;
  port->allowed_group = group;
  return 0;
}

int ConsoleCommands::port_epclose(Call& call) {
  const auto numbers = console_numbers(call.argument);
  if (!numbers || !in_range(numbers->first, switch_.max_ports())) return EINVAL;
  Port* const port = switch_.port(static_cast<PortNumber>(numbers->first));
  if (port == nullptr) return ENXIO;
  for (const auto& endpoint : port->endpoints) {
    if (endpoint->identity().id != numbers->second) continue;
    control_.unplug_endpoint(*endpoint, "closed on the console", [] {});
    return 0;
  }
  return ENXIO;
}

int ConsoleCommands::port_resetcounter(Call& call) {
  const bool all = call.argument.empty();
  const int64_t wanted = console_number(call.argument);
  if (!in_range(wanted, switch_.max_ports())) return EINVAL;
  for (Port* const port : switch_.ports()) {
    if (!all && port->number != wanted) continue;
    port->past = {};
    for (const auto& endpoint : port->endpoints) endpoint->reset_counters();
  }
  return 0;
}

int ConsoleCommands::port_print(Call& call) { return print_ports(call, false); }
int ConsoleCommands::port_allprint(Call& call) { return print_ports(call, true); }

int ConsoleCommands::print_ports(Call& call, bool inactive) {
  if (call.argument.empty()) {
    for (const Port* port : switch_.ports()) {
      if (port->active() || inactive) call.data += port_text(*port);
    }
    return 0;
  }
  const int64_t number = console_number(call.argument);
  if (!in_range(number, switch_.max_ports())) return EINVAL;
  const Port* const port = switch_.port(static_cast<PortNumber>(number));
  if (port == nullptr) return ENXIO;
  if (port->active() || inactive) call.data = port_text(*port);
  return 0;
}

std::string ConsoleCommands::port_text(const Port& port) const {
  const auto name = [](const AccountNames& names, const std::optional<uint32_t>& id) {
    return id ? names.name_of(*id) : "NONE";
  };
  const Counters sum = port.counters();
  std::string text =
      console_format("Port %04u untagged_vlan=%04u %s - %sUnnamed Allocatable\n", port.number,
                     port.untagged_vlan, port.active() ? "ACTIVE" : "INACTIVE", port.reserved ? "NOT " : "");
  text += " Current User: " + name(users_, port.user) +
          " Access Control: (User: " + name(users_, port.allowed_user) +
          " - Group: " + name(groups_, port.allowed_group) + ")\n";
  constexpr char kCounters[] = " %-4s pkts %10llu          bytes %20llu\n";
  text += console_format(kCounters, "IN:", static_cast<unsigned long long>(sum.rx_packets),
                         static_cast<unsigned long long>(sum.rx_bytes));
  text += console_format(kCounters, "OUT:", static_cast<unsigned long long>(sum.tx_packets),
                         static_cast<unsigned long long>(sum.tx_bytes));
  for (const auto& endpoint : port.endpoints) {
    text += console_format("  -- endpoint ID %04d module %-12s: ", endpoint->identity().id,
                           module_name(endpoint->identity().kind)) +
            endpoint->words() + "\n";
  }
  return text;
}

}  // namespace ecdock::vde
