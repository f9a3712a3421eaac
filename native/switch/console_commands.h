#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "switch/account_names.h"
#include "switch/options.h"
#include "switch/switch.h"
#include "switch/switch_control.h"

namespace ecdock::vde {

// The commands of the management console, with vde_switch's names, words and errors
// (https://github.com/virtualsquare/vde-2, and what vde_switch 2.3.2 answers). What has no counterpart here
// (plugins, the spanning tree, scripts) is unknown.
class ConsoleCommands {
 public:
  struct Outcome {
    enum class Next { go_on, logout, shutdown };
    std::string text;  // all of the answer but the prompt
    Next next = Next::go_on;
  };

  ConsoleCommands(const Options& options, Switch& target, SwitchControl& control);

  // One line. `events`: the categories that this console listens to.
  Outcome execute(std::string_view line, uint32_t& events);

 private:
  friend struct ConsoleCommand;

  struct Call {
    std::string_view argument;
    uint32_t& events;
    std::string data;
    Outcome::Next next = Outcome::Next::go_on;
  };

  int help(Call& call);
  int showinfo(Call& call);
  int ds_showinfo(Call& call);
  int fstp_showinfo(Call& call);
  int logout(Call& call);
  int shutdown(Call& call);

  int debug_list(Call& call);
  int debug_add(Call& call);
  int debug_del(Call& call);

  int hash_showinfo(Call& call);
  int hash_setsize(Call& call);
  int hash_setexpire(Call& call);
  int hash_setgcint(Call& call);
  int hash_setminper(Call& call);
  int hash_print(Call& call);
  int hash_find(Call& call);

  int port_showinfo(Call& call);
  int port_setnumports(Call& call);
  int port_sethub(Call& call);
  int port_setvlan(Call& call);
  int port_createauto(Call& call);
  int port_create(Call& call);
  int port_remove(Call& call);
  int port_allocatable(Call& call);
  int port_setuser(Call& call);
  int port_setgroup(Call& call);
  int port_epclose(Call& call);
  int port_resetcounter(Call& call);
  int port_print(Call& call);
  int port_allprint(Call& call);

  int vlan_create(Call& call);
  int vlan_remove(Call& call);
  int vlan_addport(Call& call);
  int vlan_delport(Call& call);
  int vlan_print(Call& call);
  int vlan_allprint(Call& call);

  int print_ports(Call& call, bool inactive);
  std::string port_text(const Port& port) const;
  int print_vlans(Call& call, bool inactive);
  std::string vlan_text(uint16_t vlan, bool inactive) const;
  std::string hash_text(const ForwardingTable::Entry& entry, size_t index) const;

  const Options& options_;
  Switch& switch_;
  SwitchControl& control_;
  const AccountNames users_;
  const AccountNames groups_;
  std::string mac_;
  const uint32_t started_;
};

}  // namespace ecdock::vde
