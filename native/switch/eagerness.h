#pragma once

#include <algorithm>
#include <cstdint>

namespace ecdock::vde {

// Whether to look for the next event for some microseconds before sleeping. To fall asleep and be woken costs
// about as much as two stations take for question and answer; but to look in vain costs processor time. So it
// is done only while stations answer each other promptly: not for a stream that goes one way, however fast,
// nor for questions that are seldom. And as a station that has to share the processor with the switch cannot
// answer while the switch looks, only a small share of all time may be lost by it.
class Eagerness {
 public:
  static constexpr int64_t kLook = 30'000;  // ns

  // Times are in ns, of a clock that never goes back.
  bool worth_a_look(int64_t now) {
    allowance_ = std::min(allowance_ + (now - asked_at_) / kShare, kMostAllowance);
    asked_at_ = now;
    return credit_ > 0 && allowance_ >= kLook;
  }
  void looked_in_vain(int64_t ns) {
    --credit_;
    allowance_ -= ns;
  }
  // How long the latest events have been waited for.
  void waited(int64_t ns) {
    at_once_ = ns <= kAtOnce;
    prompt_ = !at_once_ && ns < kPrompt;
  }
  // Whether the latest events were there already.
  bool at_once() const { return at_once_; }
  // One of these events was a frame from where one had been sent to.
  void answered() {
    if (prompt_) credit_ = kMostCredit;
  }

 private:
  // What was there already, such as the answer that the kernel itself gives to a ping, says nothing about the
  // next.
  static constexpr int64_t kAtOnce = 3'000;
  static constexpr int64_t kPrompt = 2 * kLook;
  static constexpr int kMostCredit = 2;
  static constexpr int64_t kShare = 32;  // one of so many ns may be lost
  static constexpr int64_t kMostAllowance = 2 * kLook;

  bool at_once_ = false;
  bool prompt_ = false;
  int credit_ = 0;
  int64_t allowance_ = kMostAllowance;
  int64_t asked_at_ = 0;
};

}  // namespace ecdock::vde
