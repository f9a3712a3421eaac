#include <doctest/doctest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <functional>
#include <thread>

#include "switch/datagram_endpoint.h"
#include "switch/event_loop.h"
#include "switch/switch.h"

using namespace ecdock;
using namespace ecdock::vde;

namespace {

constexpr uint32_t kFrames = 300'000;
constexpr uint32_t kAnswers = 1'000;
// How long a client waits for a frame, and how often in a row it does before it gives up.
constexpr timeval kWait{0, 100'000};
constexpr int kPatience = 100;

using Bytes = std::array<uint8_t, 64>;

// From and to are a station's number each.
Bytes frame_of(uint8_t to, uint8_t from, uint32_t number) {
  Bytes frame{};
  frame[0] = frame[6] = 0x52;
  frame[5] = to;
  frame[11] = from;
  frame[12] = 0x88;
  frame[13] = 0xb5;
  std::memcpy(frame.data() + kEthernetHeader, &number, sizeof number);
  return frame;
}

uint32_t number_of(const Bytes& frame) {
  uint32_t number = 0;
  std::memcpy(&number, frame.data() + kEthernetHeader, sizeof number);
  return number;
}

// The client's end of a port.
Fd plug(EventLoop& loop, Switch& target, PortNumber port) {
  int ends[2];
  REQUIRE(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, ends) == 0);
  Identity identity;
  identity.kind = Identity::Kind::vde;
  auto endpoint = std::make_unique<DatagramEndpoint>(loop, target, Fd(ends[1]), std::move(identity));
  REQUIRE(target.attach(port, std::move(endpoint), Caller{geteuid(), {}}).ok());
  REQUIRE(setsockopt(ends[0], SOL_SOCKET, SO_RCVTIMEO, &kWait, sizeof kWait) == 0);
  return Fd(ends[0]);
}

bool receive(const Fd& client, Bytes& frame) {
  return recv(client.get(), frame.data(), frame.size(), 0) == static_cast<ssize_t>(frame.size());
}

}  // namespace

TEST_CASE("dense traffic arrives in order, others are answered meanwhile, and the loop sleeps afterwards") {
  auto opened = EventLoop::open();
  REQUIRE(opened.ok());
  EventLoop& loop = *opened.value();
  Switch target(loop, 8);
  const Fd one = plug(loop, target, 1);
  const Fd two = plug(loop, target, 2);
  const Fd three = plug(loop, target, 3);
  const Fd four = plug(loop, target, 4);
  std::atomic<int> finished{0};
  std::atomic<bool> arrived{false};
  std::atomic<bool> asked{false};
  uint32_t received = 0;
  uint32_t last = 0;
  uint32_t answered = 0;
  bool in_order = true;

  std::thread sender([&] {
    // The last one until it has arrived: where the receiver has to wait for a processor, its queue may be
    // full.
    for (uint32_t number = 1; !arrived; number = std::min(number + 1, kFrames)) {
      if (number == kFrames) std::this_thread::sleep_for(std::chrono::milliseconds(1));
      const Bytes frame = frame_of(2, 1, number);
      while (send(one.get(), frame.data(), frame.size(), 0) < 0 && errno == EINTR) {
      }
    }
  });
  std::thread receiver([&] {
    // The switch has to know where it is.
    const Bytes hello = frame_of(9, 2, 0);
    send(two.get(), hello.data(), hello.size(), 0);
    int waited = 0;
    while (last < kFrames && waited < kPatience) {
      Bytes frame{};
      if (!receive(two, frame)) {
        ++waited;
        continue;
      }
      if (frame[11] != 1) continue;
      waited = 0;
      if (number_of(frame) <= last) in_order = false;
      last = number_of(frame);
      ++received;
    }
    arrived = true;
    ++finished;
  });
  // Seldom beside it, and one at a time. What came before the switch knew where to send it is passed over,
  // and what was lost meanwhile, because it filled the queues, is asked again.
  std::thread asker([&] {
    int waited = 0;
    for (uint32_t number = 1; number <= kAnswers && waited < kPatience; ++number) {
      const Bytes question = frame_of(4, 3, number);
      send(three.get(), question.data(), question.size(), 0);
      Bytes frame{};
      while ((frame[11] != 4 || number_of(frame) != number) && waited < kPatience) {
        if (receive(three, frame)) continue;
        ++waited;
        send(three.get(), question.data(), question.size(), 0);
      }
      if (waited == kPatience) break;
      waited = 0;
      ++answered;
    }
    asked = true;
    ++finished;
  });
  std::thread answerer([&] {
    while (!asked) {
      Bytes frame{};
      if (!receive(four, frame) || frame[11] != 3) continue;
      const Bytes answer = frame_of(3, 4, number_of(frame));
      send(four.get(), answer.data(), answer.size(), 0);
    }
  });

  // Asleep it has one turn between two timers.
  bool asleep = false;
  int looks = 0;
  uint64_t round = 0;
  const std::function<void()> look = [&] {
    if (finished == 2) {
      asleep = loop.round() - round <= 1;
      ++looks;
    }
    round = loop.round();
    if (asleep || looks == 200) return loop.stop();
    loop.after(20, look);
  };
  loop.after(20, look);
  loop.run();
  for (std::thread* const thread : {&sender, &receiver, &asker, &answerer}) thread->join();

  CHECK(in_order);
  CHECK(last == kFrames);
  CHECK(answered == kAnswers);
  CHECK(asleep);
  uint64_t dropped = 0;
  for (const auto& endpoint : target.port(2)->endpoints) dropped += endpoint->counters().drops;
  CHECK(received + dropped >= kFrames);
}
