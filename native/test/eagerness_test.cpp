#include "switch/eagerness.h"

#include <doctest/doctest.h>

using ecdock::vde::Eagerness;

namespace {

constexpr int64_t kPrompt = 10'000;  // ns, as stations answer

// One station answers the other, after `wait`.
void answer(Eagerness& eagerness, int64_t wait = kPrompt) {
  eagerness.waited(wait);
  eagerness.answered();
}

}  // namespace

TEST_CASE("it is worth looking after a prompt answer, and not after a late one or one that was there") {
  Eagerness eagerness;
  int64_t now = 1'000'000'000'000;
  CHECK_FALSE(eagerness.worth_a_look(now));
  for (const int64_t wait : {int64_t{0}, int64_t{1'000'000}}) {
    answer(eagerness, wait);
    CHECK_FALSE(eagerness.worth_a_look(now));
  }
  answer(eagerness);
  CHECK(eagerness.worth_a_look(now));
  eagerness.waited(kPrompt);  // what comes now answers nothing
  CHECK(eagerness.worth_a_look(now));
}

TEST_CASE("looks that find nothing take a small share of the time, however prompt the answers are") {
  Eagerness eagerness;
  const int64_t begin = 1'000'000'000'000;
  int64_t now = begin;
  int64_t lost = 0;
  for (int round = 0; round < 100'000; ++round) {
    answer(eagerness);
    if (eagerness.worth_a_look(now)) {
      eagerness.looked_in_vain(Eagerness::kLook);
      lost += Eagerness::kLook;
      now += Eagerness::kLook;
    }
    now += kPrompt;
  }
  CHECK(lost > 0);
  CHECK(lost * 30 < now - begin);
}
