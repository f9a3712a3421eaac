#include <doctest/doctest.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <thread>

#include "switch/cable_control.h"
#include "switch/unix_socket.h"
#include "switch/vde_connection.h"

using namespace ecdock;
using namespace ecdock::vde;

namespace {

// The socket at which a VDE switch would listen, in a directory of its own.
struct Listening {
  Listening() {
    char path[] = "/tmp/cable-XXXXXX";
    REQUIRE(mkdtemp(path) != nullptr);
    directory = path;
    auto listening = listen_at(directory + "/ctl", 0600);
    REQUIRE(listening.ok());
    listener = std::move(listening.value());
  }
  ~Listening() { std::filesystem::remove_all(directory); }

  Fd accepted() const { return Fd(accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC)); }

  std::string directory;
  Fd listener;
};

// Invalid where that is not allowed.
Fd open_tap() {
  Fd fd(open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK));
  ifreq request{};
  request.ifr_flags = static_cast<short>(IFF_TAP | IFF_NO_PI | IFF_VNET_HDR);
  if (!fd.valid() || ioctl(fd.get(), TUNSETIFF, &request) < 0) return Fd();
  return fd;
}

}  // namespace

TEST_CASE("a tap that is unplugged before its switch has answered is answered for all the same") {
  Fd tap = open_tap();
  if (!tap.valid()) {
    MESSAGE("skipped: a tap can be opened by root only");
    return;
  }
  const Listening silent;
  const auto loop = std::move(EventLoop::open().value());
  const auto slow = std::move(SlowThread::start(*loop).value());
  const Options options;
  CableControl cables(options, *loop, *slow);
  int errors = 0;
  bool unplugged = false;
  cables.add_tap({1, "tap0", "", silent.directory}, std::move(tap), [&](const Result<PortNumber>& port) {
    ++errors;
    REQUIRE_FALSE(port.ok());
    CHECK(port.error().err == ECANCELED);
  });
  loop->after(200, [&] {
    cables.unplug(1, [&](const Status& status) {
      unplugged = status.ok();
      loop->stop();
    });
  });
  loop->after(4000, [&] { loop->stop(); });
  loop->run();
  CHECK(unplugged);
  CHECK(errors == 1);
  CHECK(cables.list({}).value().empty());
}

TEST_CASE("a connection that is refused when its patience ends is told of once") {
  const Listening refusing;
  const auto loop = std::move(EventLoop::open().value());
  int answers = 0;
  VdeConnection connection(
      *loop, refusing.directory, refusing.directory, "test",
      [&](const Result<Fd>& data) {
        CHECK_FALSE(data.ok());
        ++answers;
      },
      [] {});
  REQUIRE(connection.open().ok());
  refusing.accepted();
  // As when the machine was asleep: both have come meanwhile.
  std::this_thread::sleep_for(std::chrono::milliseconds(5100));
  loop->after(0, [&] { loop->stop(); });
  loop->run();
  CHECK(answers == 1);
}
