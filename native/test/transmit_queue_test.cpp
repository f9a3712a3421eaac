#include "switch/transmit_queue.h"

#include <doctest/doctest.h>

#include <deque>
#include <random>
#include <string>

using ecdock::vde::TransmitQueue;

namespace {

bool push(TransmitQueue& queue, const std::string& frame) {
  const size_t half = frame.size() / 2;
  auto* const bytes = const_cast<char*>(frame.data());
  const iovec parts[] = {{bytes, half}, {bytes + half, frame.size() - half}};
  return queue.push(parts);
}

std::string text(const iovec& frame) { return {static_cast<const char*>(frame.iov_base), frame.iov_len}; }

}  // namespace

TEST_CASE("frames leave a queue whole and in order") {
  TransmitQueue queue;
  std::deque<std::string> expected;
  std::mt19937 random(5);
  std::vector<iovec> front;
  for (int round = 0; round < 20'000; ++round) {
    if (random() % 2 == 0) {
      const std::string frame(14 + random() % 9000, static_cast<char>('a' + random() % 26));
      if (push(queue, frame)) expected.push_back(frame);
    } else {
      queue.front(front, random() % 20);
      REQUIRE(front.size() <= expected.size());
      for (size_t i = 0; i < front.size(); ++i) CHECK(text(front[i]) == expected[i]);
      const size_t taken = front.empty() ? 0 : random() % (front.size() + 1);
      queue.pop(taken);
      expected.erase(expected.begin(), expected.begin() + static_cast<std::ptrdiff_t>(taken));
    }
    CHECK(queue.frames() == expected.size());
    CHECK(queue.empty() == expected.empty());
  }
}

TEST_CASE("a queue that is full takes no more, until something has left it") {
  TransmitQueue queue(100'000);
  const std::string frame(1000, 'x');
  size_t pushed = 0;
  while (push(queue, frame)) ++pushed;
  CHECK(pushed > 50);
  CHECK(pushed <= 100);
  CHECK(queue.bytes() == pushed * 1000);
  queue.pop(pushed);
  CHECK(queue.empty());
  CHECK(queue.bytes() == 0);
  CHECK(push(queue, frame));
}

TEST_CASE("a segment that is larger than a block fits") {
  TransmitQueue queue;
  const std::string segment(65'549, 's');
  REQUIRE(push(queue, segment));
  REQUIRE(push(queue, "small"));
  std::vector<iovec> front;
  queue.front(front, 10);
  REQUIRE(front.size() == 2);
  CHECK(text(front[0]) == segment);
  CHECK(text(front[1]) == "small");
}
