#include "worker/worker.h"

#include <doctest/doctest.h>
#include <sched.h>

#include <atomic>
#include <cerrno>
#include <future>
#include <string>
#include <thread>

using namespace ecdock;

TEST_CASE("a worker runs its jobs in order, on a thread that is not the caller's") {
  worker::Worker worker(1);
  std::string order;
  const auto caller = std::this_thread::get_id();
  std::promise<bool> elsewhere;
  for (const char letter : {'a', 'b', 'c'})
    worker.submit([&order, letter](const Status&) { order += letter; });
  worker.submit([&](const Status&) { elsewhere.set_value(std::this_thread::get_id() != caller); });
  CHECK(elsewhere.get_future().get());
  CHECK(order == "abc");
}

TEST_CASE("two threads of a worker run two jobs at the same time") {
  worker::Worker worker(2);
  std::promise<void> first;
  std::promise<void> second;
  worker.submit([&, met = first.get_future().share()](const Status&) {
    second.set_value();
    met.wait();
  });
  std::promise<void> done;
  worker.submit([&, met = second.get_future().share()](const Status&) {
    met.wait();
    first.set_value();
    done.set_value();
  });
  done.get_future().wait();
}

TEST_CASE("what was submitted is done before a worker ends") {
  std::atomic<int> done{0};
  {
    worker::Worker worker(1);
    for (int i = 0; i < 100; ++i) worker.submit([&done](const Status&) { ++done; });
  }
  CHECK(done == 100);
}

TEST_CASE("wherever a worker's thread goes, it may use the processors that it could use before") {
  cpu_set_t before;
  REQUIRE(::sched_getaffinity(0, sizeof before, &before) == 0);
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(::sched_getcpu(), &one);
  for (const cpu_set_t& allowed : {before, one}) {
    REQUIRE(::sched_setaffinity(0, sizeof allowed, &allowed) == 0);
    worker::Worker worker(1);
    for (int i = 0; i < 50; ++i) {
      std::promise<cpu_set_t> told;
      worker.submit([&told](const Status&) {
        cpu_set_t own;
        CHECK(::sched_getaffinity(0, sizeof own, &own) == 0);
        told.set_value(own);
      });
      const cpu_set_t own = told.get_future().get();
      CHECK(CPU_EQUAL(&own, &allowed));
    }
  }
  REQUIRE(::sched_setaffinity(0, sizeof before, &before) == 0);
}

#ifdef __GLIBC__
TEST_CASE("a job that no thread can be started for is told so, and the next one has another try") {
  pthread_attr_t before;
  REQUIRE(::pthread_getattr_default_np(&before) == 0);
  pthread_attr_t hopeless;
  REQUIRE(::pthread_attr_init(&hopeless) == 0);
  REQUIRE(::pthread_attr_setstacksize(&hopeless, size_t{1} << 47) == 0);  // all that a process can address
  REQUIRE(::pthread_setattr_default_np(&hopeless) == 0);

  worker::Worker worker(1);
  int told = 0;
  worker.submit([&told](const Status& ready) { told = ready.ok() ? 0 : ready.error().err; });
  CHECK(told == EAGAIN);
  worker.tend();

  REQUIRE(::pthread_setattr_default_np(&before) == 0);
  std::promise<bool> done;
  worker.submit([&done](const Status& ready) { done.set_value(ready.ok()); });
  CHECK(done.get_future().get());
  ::pthread_attr_destroy(&hopeless);
  ::pthread_attr_destroy(&before);
}
#endif
