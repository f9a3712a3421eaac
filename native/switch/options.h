#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "result.h"
#include "switch/unix_socket.h"

namespace ecdock::vde {

// What the command line says (docs/ecdock-switch.md). Names are vde_switch's where it has the same.
struct Options {
  std::string directory;  // -s; made absolute when it is opened
  mode_t mode = 0600;     // of its sockets
  mode_t directory_mode = 02700;
  gid_t group = kNoGroup;
  std::string mgmt;  // -M; empty: no console
  mode_t mgmt_mode = 0600;
  gid_t mgmt_group = kNoGroup;
  std::string control;  // -c; empty: DIRECTORY/control
  uint32_t ports = 1024;
  bool hub = false;
  bool spanning_tree = false;  // asked for, though there is none
  bool cable = false;
  bool offload = true;
  bool daemon = false;
  std::string pid_file;
  std::string rc_file;
  std::string mac;
  std::string label;
  std::vector<std::string> taps;  // opened in the own namespace, at the start
  int ready_fd = -1;
  uint32_t ageing = 300;  // seconds

  enum class Wanted { run, help, version };
  Wanted wanted = Wanted::run;
};

// EINVAL with what is wrong with it.
Result<Options> parse_options(int argc, char* const argv[]);

extern const char kUsage[];

}  // namespace ecdock::vde
