#include "switch/console_commands.h"

#include <sys/random.h>
#include <unistd.h>

#include <cerrno>

#include "netlink/mac.h"
#include "switch/console_arguments.h"
#include "switch/console_events.h"
#include "switch/console_text.h"

namespace ecdock::vde {

// A menu has no handler: it is only shown by help.
struct ConsoleCommand {
  const char* path;
  const char* syntax;
  const char* help;
  int (ConsoleCommands::*handler)(ConsoleCommands::Call&);
  bool data = false;

  static std::span<const ConsoleCommand> all();
};

std::span<const ConsoleCommand> ConsoleCommand::all() {
  using C = ConsoleCommands;
  static constexpr ConsoleCommand kAll[] = {
      {"ds", "============", "DATA SOCKET MENU", nullptr},
      {"ds/showinfo", "", "show ds info", &C::ds_showinfo, true},
      {"help", "[arg]", "Help (limited to arg when specified)", &C::help, true},
      {"logout", "", "logout from this mgmt terminal", &C::logout},
      {"shutdown", "", "shutdown of the switch", &C::shutdown},
      {"showinfo", "", "show switch version and info", &C::showinfo, true},
      {"debug", "============", "DEBUG MENU", nullptr},
      {"debug/list", "", "list debug categories", &C::debug_list, true},
      {"debug/add", "dbgpath", "enable debug info for a given category", &C::debug_add},
      {"debug/del", "dbgpath", "disable debug info for a given category", &C::debug_del},
      {"hash", "============", "HASH TABLE MENU", nullptr},
      {"hash/showinfo", "", "show hash info", &C::hash_showinfo, true},
      {"hash/setsize", "N", "change hash size", &C::hash_setsize},
      {"hash/setgcint", "N", "change garbage collector interval", &C::hash_setgcint},
      {"hash/setexpire", "N", "change hash entries expire time", &C::hash_setexpire},
      {"hash/setminper", "N", "minimum persistence time (only 0: stations move at once)", &C::hash_setminper},
      {"hash/print", "", "print the hash table", &C::hash_print, true},
      {"hash/find", "MAC [VLAN]", "MAC lookup", &C::hash_find, true},
      {"fstp", "============", "FAST SPANNING TREE MENU", nullptr},
      {"fstp/showinfo", "", "show fstp info", &C::fstp_showinfo, true},
      {"port", "============", "PORT STATUS MENU", nullptr},
      {"port/showinfo", "", "show port info", &C::port_showinfo, true},
      {"port/setnumports", "N", "set the number of ports", &C::port_setnumports},
      {"port/sethub", "0/1", "1=HUB 0=switch", &C::port_sethub},
      {"port/setvlan", "N VLAN", "set port VLAN (untagged)", &C::port_setvlan},
      {"port/createauto", "", "create a port with an automatically allocated id (inactive|notallocatable)",
       &C::port_createauto, true},
      {"port/create", "N", "create the port N (inactive|notallocatable)", &C::port_create},
      {"port/remove", "N", "remove the port N", &C::port_remove},
      {"port/allocatable", "N 0/1", "Is the port allocatable as unnamed? 1=Y 0=N", &C::port_allocatable},
      {"port/setuser", "N user", "access control: set user", &C::port_setuser},
      {"port/setgroup", "N group", "access control: set group", &C::port_setgroup},
      {"port/epclose", "N ID", "remove the endpoint port N/id ID", &C::port_epclose},
      {"port/resetcounter", "[N]", "reset the port (N) counters", &C::port_resetcounter},
      {"port/print", "[N]", "print the port/endpoint table", &C::port_print, true},
      {"port/allprint", "[N]", "print the port/endpoint table (including inactive port)", &C::port_allprint,
       true},
      {"vlan", "============", "VLAN MANAGEMENT MENU", nullptr},
      {"vlan/create", "N", "create the VLAN with tag N", &C::vlan_create},
      {"vlan/remove", "N", "remove the VLAN with tag N", &C::vlan_remove},
      {"vlan/addport", "N PORT", "add port to the vlan N (tagged)", &C::vlan_addport},
      {"vlan/delport", "N PORT", "remove port from the vlan N (tagged)", &C::vlan_delport},
      {"vlan/print", "[N]", "print the list of defined vlan", &C::vlan_print, true},
      {"vlan/allprint", "[N]", "print the list of defined vlan (including inactive port)", &C::vlan_allprint,
       true},
  };
  return kAll;
}

namespace {

// Like vde_switch's, it begins with 00:ff.
std::string random_mac() {
  uint8_t mac[6] = {0, 0xff};
  [[maybe_unused]] const ssize_t size = getrandom(mac + 2, 4, GRND_NONBLOCK);
  return netlink::format_mac(mac);
}

}  // namespace

ConsoleCommands::ConsoleCommands(const Options& options, Switch& target, SwitchControl& control)
    : options_(options),
      switch_(target),
      control_(control),
      users_(AccountNames::read("/etc/passwd")),
      groups_(AccountNames::read("/etc/group")),
      mac_(options.mac.empty() ? random_mac() : options.mac),
      started_(target.loop().seconds()) {}

ConsoleCommands::Outcome ConsoleCommands::execute(std::string_view line, uint32_t& events) {
  line = trimmed(line);
  if (line.empty() || line[0] == '#') return {};
  const std::string_view path = line.substr(0, line.find_first_of(" \t"));
  for (const ConsoleCommand& command : ConsoleCommand::all()) {
    if (command.handler == nullptr || path != command.path) continue;
    Call call{trimmed(line.substr(path.size())), events, {}};
    const int err = (this->*command.handler)(call);
    if (call.next != Outcome::Next::go_on) return {{}, call.next};
    std::string text;
    if (command.data) text = kConsoleDataBegin + call.data + kConsoleDataEnd;
    return {text + console_result(err)};
  }
  return {console_result(ENOSYS)};
}

int ConsoleCommands::help(Call& call) {
  constexpr char kLine[] = "%-18s %-15s %s\n";
  call.data = console_format(kLine, "COMMAND PATH", "SYNTAX", "HELP");
  call.data += console_format(kLine, "------------", "--------------", "------------");
  for (const ConsoleCommand& command : ConsoleCommand::all()) {
    if (!std::string_view(command.path).starts_with(call.argument)) continue;
    call.data += console_format(kLine, command.path, command.syntax, command.help);
  }
  return 0;
}

int ConsoleCommands::showinfo(Call& call) {
  const auto uptime = switch_.loop().seconds() - started_;
  call.data = console_banner() + "\n";
  call.data += console_format("pid %d MAC %s uptime %u\n", getpid(), mac_.c_str(), uptime);
  call.data += "mgmt " + options_.mgmt + console_format(" perm 0%03o\n", options_.mgmt_mode);
  return 0;
}

int ConsoleCommands::ds_showinfo(Call& call) {
  call.data = "ctl dir " + options_.directory + "\n" + console_format("std mode 0%03o\n", options_.mode);
  return 0;
}

int ConsoleCommands::fstp_showinfo(Call& call) {
  call.data = console_format("MAC %s Priority 32768 (0x8000)\nFSTP=false\n", mac_.c_str());
  return 0;
}

int ConsoleCommands::logout(Call& call) {
  call.next = Outcome::Next::logout;
  return 0;
}

int ConsoleCommands::shutdown(Call& call) {
  call.next = Outcome::Next::shutdown;
  return 0;
}

int ConsoleCommands::debug_list(Call& call) {
  call.data = console_format("%-22s %-3s %-6s %s\n", "CATEGORY", "TAG", "STATUS", "HELP");
  call.data += console_format("%-22s %-3s %-6s %s\n", "------------", "---", "------", "----");
  const uint32_t shown = categories_below(call.argument);
  uint32_t bit = 1;
  for (const EventCategory& category : event_categories()) {
    const char* const status = call.events & bit ? "ON" : "OFF";
    if (shown & bit) {
      call.data += console_format("%-22s %03o %-6s %s\n", category.path, category.tag, status, category.help);
    }
    bit <<= 1;
  }
  return shown == 0 ? ENOENT : 0;
}

int ConsoleCommands::debug_add(Call& call) {
  const uint32_t wanted = categories_below(call.argument);
  if (wanted == 0) return EINVAL;
  if ((wanted & ~call.events) == 0) return EEXIST;
  call.events |= wanted;
  return 0;
}

int ConsoleCommands::debug_del(Call& call) {
  const uint32_t unwanted = categories_below(call.argument);
  if (unwanted == 0) return EINVAL;
  if ((unwanted & call.events) == 0) return ENOENT;
  call.events &= ~unwanted;
  return 0;
}

}  // namespace ecdock::vde
