#include "switch/pace.h"

#include <doctest/doctest.h>

using ecdock::vde::Pace;

namespace {

// A clock, and frames that pass at some rate.
class Traffic {
 public:
  bool window(uint64_t frames, bool crowded = false) {
    now_ += Pace::kWindow;
    frames_ += frames;
    return pace_.dense(frames_, now_, crowded);
  }

 private:
  Pace pace_;
  int64_t now_ = 1'000'000'000'000;
  uint64_t frames_ = 0;
};

}  // namespace

TEST_CASE("traffic is dense from the first window that is full until one is not") {
  Traffic traffic;
  CHECK_FALSE(traffic.window(0));
  CHECK_FALSE(traffic.window(Pace::kDense - 1));
  CHECK(traffic.window(Pace::kDense));
  CHECK(traffic.window(Pace::kDense));
  CHECK_FALSE(traffic.window(Pace::kDense / 2));
}

TEST_CASE(
    "where others want the processor, dense traffic is waited for, and looked at again later and later") {
  Traffic traffic;
  traffic.window(0);
  CHECK(traffic.window(Pace::kDense));
  CHECK_FALSE(traffic.window(Pace::kDense, true));
  CHECK_FALSE(traffic.window(Pace::kDense));
  CHECK(traffic.window(Pace::kDense));
  CHECK_FALSE(traffic.window(Pace::kDense, true));
  for (int window = 0; window < 3; ++window) CHECK_FALSE(traffic.window(Pace::kDense));
  CHECK(traffic.window(Pace::kDense));
}

TEST_CASE("a window that is looked at late counts by its rate") {
  Pace pace;
  int64_t now = 1'000'000'000'000;
  CHECK_FALSE(pace.dense(0, now));
  CHECK_FALSE(pace.dense(10 * Pace::kDense, now + 1));  // not yet
  now += 20 * Pace::kWindow;
  CHECK_FALSE(pace.dense(10 * Pace::kDense, now));  // of 20
  now += 20 * Pace::kWindow;
  CHECK(pace.dense(40 * Pace::kDense, now));
}

TEST_CASE("bursts are believed in later and later, and at once again after traffic that stayed dense") {
  Traffic traffic;
  traffic.window(0);
  const auto windows_until_dense = [&] {
    int windows = 1;
    while (!traffic.window(Pace::kDense)) ++windows;
    traffic.window(0);
    return windows;
  };
  CHECK(windows_until_dense() == 1);
  CHECK(windows_until_dense() == 2);
  CHECK(windows_until_dense() == 4);
  for (int burst = 0; burst < 10; ++burst) windows_until_dense();
  const int most = windows_until_dense();
  CHECK(most == 32);
  for (int window = 0; window < 2 * most; ++window) traffic.window(Pace::kDense);
  traffic.window(0);
  CHECK(windows_until_dense() == 1);
}
