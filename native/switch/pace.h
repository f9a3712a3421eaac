#pragma once

#include <algorithm>
#include <cstdint>

namespace ecdock::vde {

// Whether frames pass so densely that the next one is as good as there: then it is cheaper to ask for it
// again and again than to be told of it, for those who send and receive as well, whose every call would have
// to tell. Traffic that is dense for moments only does not count: it is asked for again only when it has been
// dense for longer, each time twice as long.
class Pace {
 public:
  // ns. Longer than the kernel lets one program go on while others, which share its processor, wait.
  static constexpr int64_t kWindow = 10'000'000;
  static constexpr uint64_t kDense = 1000;  // frames in a window

  // `frames` is how many have passed since the beginning, `now` in ns; `crowded` whether others want the
  // processor.
  bool dense(uint64_t frames, int64_t now, bool crowded = false) {
    if (now - begin_ < kWindow) return dense();
    const auto microseconds = static_cast<uint64_t>(now - begin_) / 1000;
    const bool enough = !crowded && (frames - frames_) * (kWindow / 1000) >= kDense * microseconds;
    begin_ = now;
    frames_ = frames;
    if (enough) {
      ++windows_;
    } else {
      if (dense()) needed_ = windows_ - needed_ < kWorthwhile ? std::min(2 * needed_, kMostNeeded) : 1;
      windows_ = 0;
    }
    return dense();
  }

 private:
  static constexpr uint64_t kWorthwhile = 16;  // windows
  static constexpr uint64_t kMostNeeded = 32;

  bool dense() const { return windows_ >= needed_; }

  int64_t begin_ = 0;
  uint64_t frames_ = 0;   // at the beginning of this window
  uint64_t windows_ = 0;  // one after the other that were dense
  uint64_t needed_ = 1;   // of them
};

}  // namespace ecdock::vde
