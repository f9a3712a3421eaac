#include "switch/options.h"

#include <getopt.h>
#include <grp.h>

#include <cerrno>
#include <charconv>
#include <cstring>

#include "netlink/mac.h"
#include "switch/switch.h"

namespace ecdock::vde {

const char kUsage[] =
    R"(Usage: ecdock-switch -s DIRECTORY [OPTIONS]
       ecdock-switch --cable -c CONTROL [OPTIONS]
A VDE switch: connects taps and VDE programs, which find its sockets in DIRECTORY.

  -s, --sock DIRECTORY    where ctl and the clients' sockets are (also --vdesock, --unix)
  -m, --mode MODE         permissions of these sockets, octal (default 0600)
      --dirmode MODE      permissions of the directory (default 2700, or what fits --mode)
  -g, --group GROUP       their group
  -n, --numports N        number of ports (default 1024)
  -x, --hub               send every frame to all other ports
      --age SECONDS       forget stations that are silent for so long (default 300)
      --macaddr MAC       the switch's own address, which the console shows
  -M, --mgmt SOCKET       management console, as vde_switch has it
      --mgmtmode MODE     its permissions, octal (default 0600)
      --mgmtgroup GROUP   its group
  -f, --rcfile FILE       console commands to begin with
  -c, --control SOCKET    control socket for programs (default DIRECTORY/control)
  -t, --tap NAME          open a tap of this name as a port; may be repeated
      --no-offload        let the kernel divide segments and compute checksums
      --cable             no switch: connect each tap to a VDE switch that is there
      --label TEXT        shown by the control socket's status; at most 512 bytes
  -d, --daemon            go into the background
  -p, --pidfile FILE      write the process id there
      --ready-fd N        write "ready" to descriptor N when all sockets listen
  -h, --help              this
  -v, --version           the version
)";

namespace {

enum LongOnly {
  kDirMode = 0x100,
  kMgmtMode,
  kMgmtGroup,
  kNoOffload,
  kCable,
  kLabel,
  kReadyFd,
  kMac,
  kAge,
  kIgnored
};

const option kOptions[] = {
    {"sock", required_argument, nullptr, 's'},
    {"vdesock", required_argument, nullptr, 's'},
    {"unix", required_argument, nullptr, 's'},
    {"mod", required_argument, nullptr, 'm'},
    {"mode", required_argument, nullptr, 'm'},
    {"dirmode", required_argument, nullptr, kDirMode},
    {"group", required_argument, nullptr, 'g'},
    {"numports", required_argument, nullptr, 'n'},
    {"hub", no_argument, nullptr, 'x'},
    {"age", required_argument, nullptr, kAge},
    {"macaddr", required_argument, nullptr, kMac},
    {"mgmt", required_argument, nullptr, 'M'},
    {"mgmtmode", required_argument, nullptr, kMgmtMode},
    {"mgmtgroup", required_argument, nullptr, kMgmtGroup},
    {"rcfile", required_argument, nullptr, 'f'},
    {"control", required_argument, nullptr, 'c'},
    {"tap", required_argument, nullptr, 't'},
    {"no-offload", no_argument, nullptr, kNoOffload},
    {"cable", no_argument, nullptr, kCable},
    {"label", required_argument, nullptr, kLabel},
    {"daemon", no_argument, nullptr, 'd'},
    {"pidfile", required_argument, nullptr, 'p'},
    {"ready-fd", required_argument, nullptr, kReadyFd},
    {"help", no_argument, nullptr, 'h'},
    {"version", no_argument, nullptr, 'v'},
    // vde_switch's, for what is not needed here: the table grows by itself, there is no console on stdin.
    {"hashsize", required_argument, nullptr, kIgnored},
    {"priority", required_argument, nullptr, kIgnored},
    {"nostdin", no_argument, nullptr, kIgnored},
    {"debugclients", required_argument, nullptr, 'D'},
    {"fstp", no_argument, nullptr, 'F'},
    {},
};

Error wrong(std::string message) { return Error{"options", EINVAL, std::move(message), {}}; }

template <class Number>
bool parse_number(const char* text, int base, uint32_t least, uint32_t most, Number& number) {
  uint32_t value = 0;
  const char* const end = text + std::strlen(text);
  const auto [stopped, failure] = std::from_chars(text, end, value, base);
  if (failure != std::errc() || stopped != end || value < least || value > most) return false;
  number = static_cast<Number>(value);
  return true;
}

bool parse_group(const char* name, gid_t& group) {
  if (parse_number(name, 10, 0, UINT32_MAX - 1, group)) return true;
  const struct group* const found = getgrnam(name);
  if (found == nullptr) return false;
  group = found->gr_gid;
  return true;
}

// A directory can be used by whom its sockets may be used by.
mode_t directory_mode_for(mode_t mode) {
  const auto with = [mode](mode_t rights, mode_t search) -> mode_t {
    return (mode & rights) ? (mode & rights) | search : 0;
  };
  return 02000 | with(0600, 0100) | with(0060, 0010) | with(0006, 0001);
}

// Reads one option; what is wrong with it, or empty.
std::string take(Options& options, int option, const char* value, bool& mode_given,
                 bool& directory_mode_given) {
  const std::string text = value == nullptr ? "" : value;
  switch (option) {
    case 's':
      options.directory = text;
      return text.empty() ? "-s needs a directory" : "";
    case 'm':
      mode_given = true;
      return parse_number(value, 8, 0, 0777, options.mode) ? "" : "-m needs an octal mode, not " + text;
    case kDirMode:
      directory_mode_given = true;
      return parse_number(value, 8, 0, 07777, options.directory_mode)
                 ? ""
                 : "--dirmode needs an octal mode, not " + text;
    case 'g':
      return parse_group(value, options.group) ? "" : "there is no group " + text;
    case 'n':
      return parse_number(value, 10, 1, Switch::kMostPorts, options.ports)
                 ? ""
                 : "-n needs a number from 1 to " + std::to_string(Switch::kMostPorts) + ", not " + text;
    case 'x':
      options.hub = true;
      return "";
    case kAge:
      return parse_number(value, 10, 1, 1'000'000, options.ageing) ? "" : "--age needs seconds, not " + text;
    case kMac:
      options.mac = text;
      return netlink::parse_mac(text)
                 ? ""
                 : "--macaddr needs six bytes in hexadecimal between colons, not " + text;
    case 'M':
      options.mgmt = text;
      return text.empty() ? "-M needs the path of a socket" : "";
    case kMgmtMode:
      return parse_number(value, 8, 0, 0777, options.mgmt_mode)
                 ? ""
                 : "--mgmtmode needs an octal mode, not " + text;
    case kMgmtGroup:
      return parse_group(value, options.mgmt_group) ? "" : "there is no group " + text;
    case 'f':
      options.rc_file = text;
      return "";
    case 'c':
      options.control = text;
      return text.empty() ? "-c needs the path of a socket" : "";
    case 't':
      options.taps.push_back(text);
      return "";
    case kNoOffload:
      options.offload = false;
      return "";
    case kCable:
      options.cable = true;
      return "";
    case kLabel:
      options.label = text;
      return text.size() <= 512 ? "" : "--label has at most 512 bytes";
    case 'd':
      options.daemon = true;
      return "";
    case 'p':
      options.pid_file = text;
      return "";
    case kReadyFd:
      return parse_number(value, 10, 0, 1 << 20, options.ready_fd)
                 ? ""
                 : "--ready-fd needs a descriptor, not " + text;
    case 'F':
      options.spanning_tree = true;
      return "";
    case 'h':
      options.wanted = Options::Wanted::help;
      return "";
    case 'v':
      options.wanted = Options::Wanted::version;
      return "";
    case kIgnored:
    case 'D':
      return "";
    default:
      return "?";
  }
}

}  // namespace

Result<Options> parse_options(int argc, char* const argv[]) {
  Options options;
  bool mode_given = false;
  bool directory_mode_given = false;
  optind = 1;
  opterr = 0;
  for (int option = 0;
       (option = getopt_long(argc, argv, ":s:m:g:n:xM:f:c:t:dp:hvFD:", kOptions, nullptr)) != -1;) {
    const char* const given = argv[optind - 1];
    if (option == ':') return wrong(std::string(given) + " needs a value");
    if (option == '?') return wrong(std::string(given) + " is not known; --help shows what is");
    const std::string complaint = take(options, option, optarg, mode_given, directory_mode_given);
    if (!complaint.empty()) return wrong(complaint);
  }
  if (options.wanted != Options::Wanted::run) return options;
  if (optind < argc) return wrong(std::string(argv[optind]) + " is one argument too many");
  if (mode_given && !directory_mode_given) options.directory_mode = directory_mode_for(options.mode);
  if (!mode_given && directory_mode_given) options.mode = options.directory_mode & 0666;
  if (!options.cable && options.directory.empty()) return wrong("-s DIRECTORY is missing");
  if (options.cable && options.control.empty()) return wrong("--cable needs -c CONTROL");
  if (options.cable && (!options.directory.empty() || !options.mgmt.empty() || !options.taps.empty())) {
    return wrong("--cable is no switch: it takes neither -s, -M nor -t");
  }
  return options;
}

}  // namespace ecdock::vde
