#pragma once

#include <cstdint>
#include <mutex>
#include <span>
#include <vector>

namespace ecdock::datagram {

// Datagrams that have come together: their bytes one after the other, and the length of each.
struct Batch {
  std::vector<uint8_t> bytes;
  std::vector<uint32_t> lengths;
};

struct Limits {
  size_t datagrams;
  size_t bytes;
};

// Datagrams between the thread that receives them and the one that takes them, in bounded memory: what finds
// it full is dropped and counted.
class Inbox {
 public:
  explicit Inbox(Limits limits) : limits_(limits) {}

  // Whether it was kept.
  bool put(std::span<const uint8_t> datagram);
  void count_dropped();
  // All that is in it.
  Batch take();
  uint64_t dropped() const;

 private:
  const Limits limits_;
  mutable std::mutex mutex_;
  Batch batch_;
  uint64_t dropped_ = 0;
};

}  // namespace ecdock::datagram
