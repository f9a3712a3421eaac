#pragma once

#include <cstdint>

namespace ecdock::vde {

// Whether to look for the next event for some microseconds before sleeping. To fall asleep and be woken costs
// about as much as two stations take for question and answer; but to look in vain costs processor time. So it
// is done only while stations answer each other promptly: not for a stream that goes one way, however fast,
// nor for questions that are seldom.
class Eagerness {
 public:
  static constexpr int64_t kLook = 30'000;  // ns

  bool worth_a_look() const { return credit_ > 0; }
  void looked_in_vain() { --credit_; }
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

  bool at_once_ = false;
  bool prompt_ = false;
  int credit_ = 0;
};

}  // namespace ecdock::vde
