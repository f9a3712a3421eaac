#pragma once

#include <cstdint>

namespace ecdock::vde {

// Whether to look for the next event for some microseconds before sleeping. To fall asleep and be woken costs
// about as much as two stations take for question and answer; but to look in vain costs processor time. So it
// is tried now and then, and kept up only while most looks find something.
class Eagerness {
 public:
  static constexpr int64_t kLook = 18'000;  // ns

  bool worth_a_look() { return credit_ > 0 || ++waits_ % kTry == 0; }

  void looked(bool found) {
    if (found) {
      credit_ = kMostCredit;
    } else if (credit_ > 0) {
      --credit_;
    }
  }

 private:
  static constexpr uint32_t kTry = 32;
  static constexpr int kMostCredit = 2;

  uint32_t waits_ = 0;
  int credit_ = 0;
};

}  // namespace ecdock::vde
