#include "switch/event_loop.h"

#include <doctest/doctest.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <memory>
#include <thread>
#include <utility>

using ecdock::Fd;
using ecdock::vde::EventLoop;
using ecdock::vde::Watcher;

namespace {

struct Counting : Watcher {
  void on_ready(uint32_t events) override {
    last = events;
    ++told;
    then();
  }

  int told = 0;
  uint32_t last = 0;
  std::function<void()> then = [] {};
};

struct Pair {
  Pair() {
    int ends[2];
    REQUIRE(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, ends) == 0);
    near = Fd(ends[0]);
    far = Fd(ends[1]);
  }
  Fd near;
  Fd far;
};

std::unique_ptr<EventLoop> open_loop() {
  auto opened = EventLoop::open();
  REQUIRE(opened.ok());
  return std::move(opened.value());
}

// A loop that follows one end of a pair.
struct Following {
  Following() {
    REQUIRE(loop->add(pair.near.get(), EPOLLIN, watcher).ok());
    REQUIRE(loop->follow(pair.near.get(), EPOLLIN, watcher));
  }
  std::unique_ptr<EventLoop> loop = open_loop();
  Pair pair;
  Counting watcher;
};

cpu_set_t own_processors() {
  cpu_set_t processors;
  REQUIRE(sched_getaffinity(0, sizeof processors, &processors) == 0);
  return processors;
}

bool one_processor() {
  const cpu_set_t processors = own_processors();
  return CPU_COUNT(&processors) == 1;
}

}  // namespace

TEST_CASE(
    "what is followed is told in every turn of what it waits for, and afterwards only of what is there") {
  if (one_processor()) return;
  Following following;
  EventLoop& loop = *following.loop;
  Pair& pair = following.pair;
  Counting& watcher = following.watcher;
  // Nothing has come, so that only this ends the second part.
  const auto send_later = [&] {
    loop.after(30, [&] {
      CHECK(watcher.told == 10);
      REQUIRE(send(pair.far.get(), "x", 1, 0) == 1);
    });
  };
  watcher.then = [&] {
    if (watcher.told == 5) loop.change(pair.near.get(), EPOLLIN | EPOLLOUT, watcher);
    if (watcher.told < 10) return;
    CHECK(watcher.last == (EPOLLIN | EPOLLOUT));
    loop.change(pair.near.get(), EPOLLIN, watcher);
    REQUIRE(loop.unfollow(pair.near.get(), watcher));
    send_later();
    watcher.then = [&] { loop.stop(); };
  };
  loop.run();
  CHECK(watcher.told == 11);
  CHECK(watcher.last == EPOLLIN);
  loop.remove(pair.near.get(), watcher);
}

TEST_CASE("others are told, and timers called, while a descriptor is followed; one that is removed is not") {
  if (one_processor()) return;
  Following following;
  EventLoop& loop = *following.loop;
  Pair& dense = following.pair;
  Counting& followed = following.watcher;
  Pair seldom;
  Counting other;
  REQUIRE(loop.add(seldom.near.get(), EPOLLIN, other).ok());
  int told = 0;
  other.then = [&] {
    loop.remove(dense.near.get(), followed);
    loop.remove(seldom.near.get(), other);
    told = followed.told;
    loop.after(30, [&] { loop.stop(); });
  };
  loop.after(5, [&] { REQUIRE(send(seldom.far.get(), "x", 1, 0) == 1); });
  loop.run();
  CHECK(other.told == 1);
  CHECK(told > 0);
  CHECK(followed.told == told);
}

TEST_CASE("it is seen that others want the processor") {
  if (one_processor()) return;
  const cpu_set_t processors = own_processors();
  Following following;
  EventLoop& loop = *following.loop;
  Pair& pair = following.pair;
  Counting& watcher = following.watcher;
  // Both on one processor.
  cpu_set_t here;
  CPU_ZERO(&here);
  CPU_SET(sched_getcpu(), &here);
  REQUIRE(sched_setaffinity(0, sizeof here, &here) == 0);
  std::atomic<bool> working{true};
  std::thread other([&] {
    while (working) {
    }
  });
  bool crowded = false;
  watcher.then = [&] {
    crowded = crowded || loop.crowded();
    if (crowded) loop.stop();
  };
  loop.after(10'000, [&] { loop.stop(); });
  loop.run();
  working = false;
  other.join();
  CHECK(crowded);
  loop.remove(pair.near.get(), watcher);
  REQUIRE(sched_setaffinity(0, sizeof processors, &processors) == 0);
}
