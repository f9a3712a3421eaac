// The menus hash/ and vlan/ of the management console.
#include <algorithm>
#include <cerrno>

#include "netlink/mac.h"
#include "switch/console_arguments.h"
#include "switch/console_commands.h"
#include "switch/console_text.h"

namespace ecdock::vde {

namespace {

// vde_switch's size is that of its array, and ours what the table may hold.
constexpr int64_t kSmallestTable = 8192;
constexpr int64_t kLongestAge = 1'000'000;  // seconds

}  // namespace

int ConsoleCommands::hash_showinfo(Call& call) {
  const ForwardingTable& table = switch_.table();
  call.data = console_format(
      "Hash size %zu\nGC interval %lld secs\nGC expire %u secs\nMin persistence 0 secs\n", table.capacity(),
      static_cast<long long>(Switch::kAgeingInterval / 1000), table.ageing());
  return 0;
}

int ConsoleCommands::hash_setsize(Call& call) {
  const int64_t size = console_number(call.argument);
  if (size < 1) return EINVAL;
  switch_.table().set_capacity(static_cast<size_t>(std::max(size, kSmallestTable)));
  return 0;
}

int ConsoleCommands::hash_setexpire(Call& call) {
  const int64_t seconds = console_number(call.argument);
  if (seconds < 1 || seconds > kLongestAge) return EINVAL;
  switch_.table().set_ageing(static_cast<uint32_t>(seconds));
  return 0;
}

// What is too old is not found, whenever it is collected.
int ConsoleCommands::hash_setgcint(Call& call) { return console_number(call.argument) < 1 ? EINVAL : 0; }

int ConsoleCommands::hash_setminper(Call& call) {
  return console_number(call.argument) == 0 ? 0 : EOPNOTSUPP;
}

std::string ConsoleCommands::hash_text(const ForwardingTable::Entry& entry, size_t index) const {
  uint8_t mac[6];
  for (int i = 0; i < 6; ++i) mac[i] = static_cast<uint8_t>(entry.key >> (40 - 8 * i));
  return console_format("Hash: %04zu Addr: %s VLAN %04u to port: %03u  age %u secs\n", index,
                        netlink::format_mac(mac).c_str(), static_cast<unsigned>(entry.key >> 48), entry.port,
                        switch_.loop().seconds() - entry.heard_at);
}

int ConsoleCommands::hash_print(Call& call) {
  size_t index = 0;
  switch_.table().for_each(
      [&](const ForwardingTable::Entry& entry) { call.data += hash_text(entry, index++); });
  return 0;
}

int ConsoleCommands::hash_find(Call& call) {
  const auto mac = netlink::parse_mac(call.argument.substr(0, call.argument.find_first_of(" \t")));
  if (!mac) return EINVAL;
  const int64_t vlan = console_number(call.argument.substr(std::min<size_t>(call.argument.size(), 17)));
  if (!in_range(vlan, kNoVlan)) return EINVAL;
  const uint64_t key = ForwardingTable::key_of(mac->data(), static_cast<uint16_t>(vlan));
  switch_.table().for_each([&](const ForwardingTable::Entry& entry) {
    if (entry.key == key) call.data = hash_text(entry, 0);
  });
  return call.data.empty() ? ENODEV : 0;
}

int ConsoleCommands::vlan_create(Call& call) {
  const int64_t vlan = console_number(call.argument);
  if (!in_range(vlan, kNoVlan)) return EINVAL;
  const Status made = switch_.create_vlan(static_cast<uint16_t>(vlan));
  return made.ok() ? 0 : made.error().err;
}

int ConsoleCommands::vlan_remove(Call& call) {
  const int64_t vlan = console_number(call.argument);
  if (!in_range(vlan, kNoVlan)) return EINVAL;
  const Status removed = switch_.remove_vlan(static_cast<uint16_t>(vlan));
  return removed.ok() ? 0 : removed.error().err;
}

int ConsoleCommands::vlan_addport(Call& call) {
  const auto numbers = console_numbers(call.argument);
  if (!numbers || !in_range(numbers->first, kNoVlan) || !in_range(numbers->second, Switch::kMostPorts))
    return EINVAL;
  const Status set = switch_.set_tagged_vlan(static_cast<PortNumber>(numbers->second),
                                             static_cast<uint16_t>(numbers->first), true);
  return set.ok() ? 0 : set.error().err;
}

int ConsoleCommands::vlan_delport(Call& call) {
  const auto numbers = console_numbers(call.argument);
  if (!numbers || !in_range(numbers->first, kNoVlan) || !in_range(numbers->second, Switch::kMostPorts))
    return EINVAL;
  const Status set = switch_.set_tagged_vlan(static_cast<PortNumber>(numbers->second),
                                             static_cast<uint16_t>(numbers->first), false);
  return set.ok() ? 0 : set.error().err;
}

int ConsoleCommands::vlan_print(Call& call) { return print_vlans(call, false); }
int ConsoleCommands::vlan_allprint(Call& call) { return print_vlans(call, true); }

int ConsoleCommands::print_vlans(Call& call, bool inactive) {
  if (call.argument.empty()) {
    for (const uint16_t vlan : switch_.vlans()) call.data += vlan_text(vlan, inactive);
    return 0;
  }
  const int64_t vlan = console_number(call.argument);
  if (!in_range(vlan, kNoVlan)) return EINVAL;
  if (!switch_.vlans().contains(static_cast<uint16_t>(vlan))) return ENXIO;
  call.data = vlan_text(static_cast<uint16_t>(vlan), inactive);
  return 0;
}

std::string ConsoleCommands::vlan_text(uint16_t vlan, bool inactive) const {
  std::string text = console_format("VLAN %04u\n", vlan);
  for (const Port* port : switch_.ports()) {
    if (!port->carries(vlan) || !(port->active() || inactive)) continue;
    text += console_format(" -- Port %04u tagged=%d active=%d status=%s\n", port->number,
                           port->untagged_vlan != vlan ? 1 : 0, port->active() ? 1 : 0,
                           port->active() ? "Forwarding" : "Learning");
  }
  return text;
}

}  // namespace ecdock::vde
