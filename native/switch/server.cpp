#include "switch/server.h"

#include <sys/resource.h>
#include <syslog.h>
#include <unistd.h>

#include <algorithm>
#include <optional>
#include <string_view>

#include "switch/cable_control.h"
#include "switch/console_commands.h"
#include "switch/console_server.h"
#include "switch/control_server.h"
#include "switch/event_loop.h"
#include "switch/lockdown.h"
#include "switch/log.h"
#include "switch/plug_server.h"
#include "switch/signals.h"
#include "switch/slow_thread.h"
#include "switch/small_file.h"
#include "switch/socket_directory.h"
#include "switch/switch.h"
#include "switch/switch_control.h"
#include "switch/tap_endpoint.h"
#include "switch/unix_socket.h"

namespace ecdock::vde {

namespace {

// A socket file that is removed at the end.
class SocketFile {
 public:
  explicit SocketFile(std::string path) : path_(std::move(path)) {}
  SocketFile(const SocketFile&) = delete;
  SocketFile& operator=(const SocketFile&) = delete;
  ~SocketFile() { unlink_socket(path_); }

 private:
  std::string path_;
};

// A client needs two descriptors.
void allow_many_descriptors() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) < 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

Status plug_own_taps(const Options& options, EventLoop& loop, Switch& target) {
  for (const std::string& name : options.taps) {
    auto tap = Tap::open(name, options.offload);
    if (!tap.ok()) return tap.error();
    Identity identity;
    identity.name = name;
    identity.id = tap.value().fd.get();
    const auto port = target.choose_port({}, Caller{geteuid(), {}});
    if (!port.ok()) return port.error();
    auto endpoint = std::make_unique<TapEndpoint>(loop, target, std::move(tap.value()), std::move(identity));
    const Status attached = target.attach(port.value(), std::move(endpoint), Caller{geteuid(), {}});
    if (!attached.ok()) return attached.error();
  }
  return Done{};
}

// Whether the sockets' permissions let in anybody besides their user.
bool admits_others(const Options& options) { return (options.mode & 0066) != 0; }

// A command that fails is told of, and the others are executed all the same, as vde_switch does it.
Status run_rc_file(const Options& options, ConsoleCommands& commands) {
  if (options.rc_file.empty()) return Done{};
  const auto text = read_small_file(options.rc_file);
  if (!text.ok()) return text.error();
  std::string_view rest = text.value();
  uint32_t events = 0;
  while (!rest.empty()) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(line.size() + 1, rest.size()));
    const auto outcome = commands.execute(line, events);
    if (outcome.text.starts_with("1") && !outcome.text.starts_with("1000")) {
      log_line(LOG_WARNING, options.rc_file + ": " + std::string(line) + ": " + outcome.text);
    }
  }
  return Done{};
}

// Writes "ready\n" to the descriptor and closes it; nothing when it is -1.
void tell_ready(int fd) {
  if (fd < 0) return;
  [[maybe_unused]] const ssize_t told = write(fd, "ready\n", 6);
  close(fd);
}

// All listens: says so, locks the process in, and works until it is told to end.
Status run(EventLoop& loop, const Options& options, Background& background) {
  background.ready();
#ifndef __SANITIZE_ADDRESS__  // which makes calls of its own
  const Result<bool> locked = allow_only_needed_calls();
  if (!locked.ok()) return locked.error();
  if (!locked.value()) {
    log_line(LOG_WARNING,
             "this kernel has no filters of system calls (seccomp) for this processor: it works without one");
  }
#endif
  tell_ready(options.ready_fd);
  loop.run();
  return Done{};
}

}  // namespace

Status serve_switch(Options options, Background& background) {
  allow_many_descriptors();
  auto directory = SocketDirectory::open(options.directory, options.directory_mode, options.group);
  if (!directory.ok()) return directory.error();
  options.directory = directory.value().path();
  if (options.control.empty()) options.control = options.directory + "/control";

  auto ctl = listen_at(directory.value().ctl(), options.mode, options.group);
  if (!ctl.ok()) return ctl.error();
  const SocketFile ctl_file(directory.value().ctl());
  auto control_socket = listen_at(options.control, 0600);
  if (!control_socket.ok()) return control_socket.error();
  const SocketFile control_file(options.control);

  std::optional<SocketFile> mgmt_file;
  Fd mgmt;
  if (!options.mgmt.empty()) {
    auto listening = listen_at(options.mgmt, options.mgmt_mode, options.mgmt_group);
    if (!listening.ok()) return listening.error();
    mgmt = std::move(listening.value());
    mgmt_file.emplace(options.mgmt);
  }

  auto opened = EventLoop::open();
  if (!opened.ok()) return opened.error();
  EventLoop& loop = *opened.value();
  const auto signals = Signals::listen(loop);
  if (!signals.ok()) return signals.error();

  Switch target(loop, options.ports);
  target.set_hub(options.hub);
  target.table().set_ageing(options.ageing);
  const Status plugged = plug_own_taps(options, loop, target);
  if (!plugged.ok()) return plugged.error();

  const auto pid_file = PidFile::write(options.pid_file);
  if (!pid_file.ok()) return pid_file.error();
  std::unique_ptr<Usher> usher;
  if (geteuid() == 0 && admits_others(options)) {
    auto started = Usher::start(loop);
    if (!started.ok()) return started.error();
    usher = std::move(started.value());
  }
  const Status dropped = drop_privileges();
  if (!dropped.ok()) return dropped.error();
  const auto slow = SlowThread::start(loop);
  if (!slow.ok()) return slow.error();

  PlugServer clients(loop, target, std::move(ctl.value()), options.directory, options.mode, usher.get());
  SwitchControl rules(options, loop, *slow.value(), target, clients);
  ControlServer control(loop, rules, std::move(control_socket.value()));
  rules.announce_to(control);
  ConsoleCommands commands(options, target, rules);
  std::optional<ConsoleServer> console;
  if (mgmt.valid()) console.emplace(loop, target, commands, std::move(mgmt));
  const Status begun = run_rc_file(options, commands);
  if (!begun.ok()) return begun.error();
  for (const Status& started :
       {clients.start(), control.start(), console ? console->start() : Status(Done{})}) {
    if (!started.ok()) return started.error();
  }
  if (options.spanning_tree) {
    log_line(LOG_WARNING, "there is no fast spanning tree protocol here: connect switches without loops");
  }
  return run(loop, options, background);
}

Status serve_cables(Options options, Background& background) {
  allow_many_descriptors();
  auto control_socket = listen_at(options.control, 0600);
  if (!control_socket.ok()) return control_socket.error();
  const SocketFile control_file(options.control);
  auto opened = EventLoop::open();
  if (!opened.ok()) return opened.error();
  EventLoop& loop = *opened.value();
  const auto signals = Signals::listen(loop);
  if (!signals.ok()) return signals.error();
  const auto pid_file = PidFile::write(options.pid_file);
  if (!pid_file.ok()) return pid_file.error();
  const Status dropped = drop_privileges();
  if (!dropped.ok()) return dropped.error();
  const auto slow = SlowThread::start(loop);
  if (!slow.ok()) return slow.error();

  CableControl rules(options, loop, *slow.value());
  ControlServer control(loop, rules, std::move(control_socket.value()));
  rules.announce_to(control);
  const Status started = control.start();
  if (!started.ok()) return started.error();
  return run(loop, options, background);
}

}  // namespace ecdock::vde
