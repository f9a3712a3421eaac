#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

namespace ecdock::fuzz {

using Bytes = std::vector<uint8_t>;

// Chance that can be repeated: SplitMix64 (Steele, Lea, Flood 2014), which costs nothing to begin.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}

  uint64_t next();
  // From 0 to `count` - 1; `count` is not 0.
  size_t below(size_t count) { return static_cast<size_t>(next() % count); }
  size_t between(size_t least, size_t most) { return least + below(most - least + 1); }
  bool one_in(size_t count) { return below(count) == 0; }
  template <class T, size_t N>
  const T& of(const T (&choices)[N]) {
    return choices[below(N)];
  }
  // Mostly short, now and then as long as `most`.
  size_t length(size_t most);
  // A number as programs stumble over: 0, 1, a power of two or next to one, or any.
  uint64_t odd_number();
  Bytes bytes(size_t size);

 private:
  uint64_t state_;
};

// Changes some bytes, and perhaps the length, which stays at most `most`.
void mutate(Random& random, Bytes& bytes, size_t most);
std::string mutated(Random& random, std::string text, size_t most);

// Calls `round` that often, each time with chance of its own. When one fails, or a sanitizer ends the
// process, its number is told, by which it can be run alone:
//   ECDOCK_FUZZ_SEED=N    begin with another seed than 1
//   ECDOCK_FUZZ_TIMES=N   N times as many rounds
//   ECDOCK_FUZZ_ROUND=N   only this one
void repeat(const char* name, size_t rounds, const std::function<void(Random&)>& round);

}  // namespace ecdock::fuzz
