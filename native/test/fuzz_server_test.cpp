// A whole switch with its sockets in this process, and everybody who can reach it misbehaves at the same
// time: clients that connect, say half, go, flood or do not read; taps with frames that lie; consoles; and
// who rules by the control socket.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <vector>

#include "switch/console_commands.h"
#include "switch/console_server.h"
#include "switch/control_server.h"
#include "switch/plug_server.h"
#include "switch/slow_thread.h"
#include "switch/switch.h"
#include "switch/switch_control.h"
#include "switch/tap_endpoint.h"
#include "switch/unix_socket.h"
#include "test/fuzz/hostile_frame.h"
#include "test/fuzz/lines.h"
#include "test/fuzz/sockets.h"

using namespace ecdock;
using namespace ecdock::fuzz;
using namespace ecdock::vde;

namespace {

constexpr size_t kSteps = 400;
constexpr size_t kMostOfAKind = 24;

struct Client {
  Fd control;
  Fd data;
  std::string path;
};

struct FakeTap {
  Fd far;  // what is written here, the switch reads from its tap
  bool offload = false;
};

// The sockets of a switch, what listens there, and those who come.
class Bedlam : public Watcher {
 public:
  Bedlam(Random& random, std::string directory) : random_(random), directory_(std::move(directory)) {
    options_.directory = directory_ + "/sw";
    options_.mgmt = directory_ + "/mgmt";
    std::filesystem::create_directory(options_.directory);
    loop_ = std::move(EventLoop::open().value());
    slow_ = std::move(SlowThread::start(*loop_).value());
    switch_ = std::make_unique<Switch>(*loop_, 32);
    clients_server_ =
        std::make_unique<PlugServer>(*loop_, *switch_, listen("/sw/ctl"), options_.directory, 0600, nullptr);
    rules_ = std::make_unique<SwitchControl>(options_, *loop_, *slow_, *switch_, *clients_server_);
    control_ = std::make_unique<ControlServer>(*loop_, *rules_, listen("/control"));
    rules_->announce_to(*control_);
    commands_ = std::make_unique<ConsoleCommands>(options_, *switch_, *rules_);
    console_ = std::make_unique<ConsoleServer>(*loop_, *switch_, *commands_, listen("/mgmt"));
    REQUIRE(clients_server_->start().ok());
    REQUIRE(control_->start().ok());
    REQUIRE(console_->start().ok());
    tick_ = Fd(eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK));
    REQUIRE(loop_->add(tick_.get(), EPOLLIN, *this).ok());
  }

  ~Bedlam() override { loop_->remove(tick_.get(), *this); }

  void run() { loop_->run(); }

  void on_ready(uint32_t) override {
    if (++steps_ == kSteps) return loop_->stop();
    step();
  }

 private:
  Fd listen(const std::string& name) { return std::move(listen_at(directory_ + name, 0600).value()); }

  void step() {
    switch (random_.below(16)) {
      case 0:
        return connect_client();
      case 1:
        return add_fake_tap();
      case 2:
        return drop_one(clients_);
      case 3:
        return random_.one_in(4) ? drop_one(taps_) : drop_one(consoles_);
      case 4:
        return open_stream(consoles_, "/mgmt");
      case 5:
        return open_stream(rulers_, "/control");
      case 6:
        return drop_one(rulers_);
      case 7:
      case 8:
        return say_on_console();
      case 9:
      case 10:
        return rule();
      case 11:
        return read_some();
      default:
        return send_frames();
    }
  }

  // The whole request, some of it, or something else; with a socket of its own, or not.
  void connect_client() {
    if (clients_.size() == kMostOfAKind) return;
    Client client;
    client.path = directory_ + "/c" + std::to_string(steps_);
    client.data = Fd(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!random_.one_in(8)) REQUIRE(bind_at(client.data.get(), client.path, 0600).ok());
    client.control = stream_to(options_.directory + "/ctl");
    const auto port = static_cast<uint32_t>(random_.one_in(2) ? 0 : random_.below(40));
    Bytes request = encode_plug_request({random_.one_in(10), port, client.path, "client"});
    if (random_.one_in(4)) mutate(random_, request, 512);
    const size_t first = random_.one_in(2) ? request.size() : random_.below(request.size() + 1);
    write_to(client.control, std::span(request).first(first));
    if (random_.one_in(2)) write_to(client.control, std::span(request).subspan(first));
    if (random_.one_in(8)) shutdown(client.control.get(), SHUT_WR);
    clients_.push_back(std::move(client));
  }

  // Pairs of datagram sockets are read and written as taps are.
  void add_fake_tap() {
    if (taps_.size() == kMostOfAKind) return;
    int ends[2];
    REQUIRE(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == 0);
    const bool offload = random_.one_in(2);
    taps_.push_back(FakeTap{Fd(ends[0]), offload});
    Identity identity;
    identity.name = "fake";
    identity.id = ends[1];
    auto endpoint =
        std::make_unique<TapEndpoint>(*loop_, *switch_, Tap{Fd(ends[1]), offload}, std::move(identity));
    const auto port = switch_->choose_port({}, Caller{});
    if (!port.ok() || !switch_->attach(port.value(), std::move(endpoint), Caller{}).ok()) taps_.pop_back();
  }

  void open_stream(std::vector<Fd>& those, const char* name) {
    if (those.size() == kMostOfAKind) return;
    those.push_back(stream_to(directory_ + name));
  }

  template <class T>
  void drop_one(std::vector<T>& those) {
    if (those.empty()) return;
    those.erase(those.begin() + static_cast<std::ptrdiff_t>(random_.below(those.size())));
  }

  void say_on_console() {
    if (consoles_.empty()) return;
    std::string text;
    for (size_t lines = random_.between(1, 8); lines > 0; --lines)
      text += std::string(random_.of(kConsoleLines)) + "\n";
    if (random_.one_in(4)) text = mutated(random_, std::move(text), 10'000);
    write_to(consoles_[random_.below(consoles_.size())], text);
  }

  void rule() {
    if (rulers_.empty()) return;
    std::string text;
    for (size_t lines = random_.between(1, 4); lines > 0; --lines)
      text += std::string(random_.of(kControlLines)) + "\n";
    if (random_.one_in(4)) text = mutated(random_, std::move(text), 10'000);
    std::vector<Fd> held;
    // A real one takes the kernel long to close.
    for (size_t count = random_.one_in(2) ? 1 : random_.below(7); count > 0; --count) {
      held.push_back(random_.one_in(6) ? real_tap(random_) : Fd(open("/dev/null", O_RDWR | O_CLOEXEC)));
    }
    std::vector<int> descriptors;
    for (const Fd& fd : held) descriptors.push_back(fd.get());
    write_with_descriptors(rulers_[random_.below(rulers_.size())], text, descriptors);
  }

  void send_frames() {
    for (size_t frames = random_.between(1, 30); frames > 0; --frames) {
      const HostileFrame hostile = hostile_frame(random_, random_.one_in(8) ? 66'000 : 1500);
      if (random_.one_in(2)) {
        if (taps_.empty()) continue;
        const FakeTap& tap = taps_[random_.below(taps_.size())];
        write_to(tap.far, tap.offload ? hostile.with_offload() : hostile.bytes);
      } else if (!clients_.empty()) {
        write_to(clients_[random_.below(clients_.size())].data, hostile.bytes);
      }
    }
  }

  // Clients that are plugged in learn from the answer where to send, and what comes is looked at.
  void read_some() {
    for (Client& client : clients_) {
      uint8_t reply[kPlugReply];
      if (recv(client.control.get(), reply, sizeof reply, MSG_DONTWAIT) == sizeof reply) {
        const auto path = parse_plug_reply(reply);
        REQUIRE(std::holds_alternative<std::string>(path));
        [[maybe_unused]] const Status connected = connect_to(client.data.get(), std::get<std::string>(path));
      }
      read_frames(client.data, false);
    }
    for (const FakeTap& tap : taps_) read_frames(tap.far, tap.offload);
    for (const auto* const streams : {&consoles_, &rulers_}) {
      for (const Fd& stream : *streams) {
        char text[8192];
        while (recv(stream.get(), text, sizeof text, MSG_DONTWAIT) > 0) {
        }
      }
    }
  }

  void read_frames(const Fd& from, bool offload) {
    static Bytes buffer(kMaxSegment + 100);
    for (;;) {
      const ssize_t got = recv(from.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
      if (got < 0) return;
      Offload said;
      const size_t header = offload ? sizeof said : 0;
      if (offload) std::memcpy(&said, buffer.data(), sizeof said);
      const size_t size = static_cast<size_t>(got) - header;
      CHECK(size >= kEthernetHeader);
      CHECK(size <= (said.divided() ? kMaxFrame : kMaxSegment) + kVlanTag);
    }
  }

  Random& random_;
  const std::string directory_;
  Options options_;
  // In the order in which a process makes them, and the loop, in which the dead wait, before all.
  std::unique_ptr<EventLoop> loop_;
  std::unique_ptr<Switch> switch_;
  std::unique_ptr<SlowThread> slow_;
  std::unique_ptr<PlugServer> clients_server_;
  std::unique_ptr<SwitchControl> rules_;
  std::unique_ptr<ControlServer> control_;
  std::unique_ptr<ConsoleCommands> commands_;
  std::unique_ptr<ConsoleServer> console_;
  Fd tick_;  // always ready, so that each turn of the loop is a step
  size_t steps_ = 0;
  std::vector<Client> clients_;
  std::vector<FakeTap> taps_;
  std::vector<Fd> consoles_;
  std::vector<Fd> rulers_;
};

}  // namespace

TEST_CASE("fuzz: a switch survives whatever those do who can reach it, and keeps nothing of it") {
  repeat("switch", 8, [](Random& random) {
    char directory[] = "/tmp/fuzz-switch-XXXXXX";
    REQUIRE(mkdtemp(directory) != nullptr);
    const size_t before = open_descriptors();
    {
      Bedlam bedlam(random, directory);
      bedlam.run();
    }
    CHECK(open_descriptors() == before);
    // Its clients' sockets and those that it listens at are others' to remove, and its own to its clients are
    // gone.
    for (const auto& entry : std::filesystem::directory_iterator(std::string(directory) + "/sw")) {
      CHECK(entry.path().filename() == "ctl");
    }
    std::filesystem::remove_all(directory);
  });
}
