#include "test/fuzz/rounds.h"

#include <doctest/doctest.h>
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#endif

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <optional>

namespace ecdock::fuzz {

namespace {

struct Running {
  const char* name = nullptr;
  uint64_t seed = 0;
  uint64_t round = 0;
} running;

std::optional<uint64_t> from_environment(const char* name) {
  const char* const text = std::getenv(name);
  if (text == nullptr || *text == '\0') return std::nullopt;
  return std::strtoull(text, nullptr, 10);
}

#if defined(__SANITIZE_ADDRESS__)
void tell_round() {
  if (running.name == nullptr) return;
  std::fprintf(stderr, "fuzzing %s: ECDOCK_FUZZ_SEED=%llu ECDOCK_FUZZ_ROUND=%llu\n", running.name,
               static_cast<unsigned long long>(running.seed), static_cast<unsigned long long>(running.round));
}
#endif

void change_bytes(Random& random, Bytes& bytes) {
  const size_t at = random.below(bytes.size());
  switch (random.below(3)) {
    case 0:
      bytes[at] ^= static_cast<uint8_t>(1 << random.below(8));
      break;
    case 1:
      bytes[at] = static_cast<uint8_t>(random.odd_number());
      break;
    default: {
      const uint64_t number = random.odd_number();
      for (size_t i = 0; i < 4 && at + i < bytes.size(); ++i)
        bytes[at + i] = static_cast<uint8_t>(number >> 8 * i);
    }
  }
}

}  // namespace

uint64_t Random::next() {
  uint64_t mixed = state_ += 0x9e3779b97f4a7c15;
  mixed = (mixed ^ mixed >> 30) * 0xbf58476d1ce4e5b9;
  mixed = (mixed ^ mixed >> 27) * 0x94d049bb133111eb;
  return mixed ^ mixed >> 31;
}

size_t Random::length(size_t most) {
  return one_in(4) ? below(most + 1) : below(std::min<size_t>(most, 64) + 1);
}

uint64_t Random::odd_number() {
  switch (below(4)) {
    case 0:
      return below(3);
    case 1:
      return (uint64_t{1} << below(64)) - below(3);
    case 2:
      return UINT64_MAX - below(3);
    default:
      return next();
  }
}

Bytes Random::bytes(size_t size) {
  Bytes bytes(size);
  for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(next());
  return bytes;
}

void mutate(Random& random, Bytes& bytes, size_t most) {
  for (size_t changes = random.length(8); changes > 0 && !bytes.empty(); --changes)
    change_bytes(random, bytes);
  switch (random.below(6)) {
    case 0:
      bytes.resize(random.below(bytes.size() + 1));
      break;
    case 1: {
      const Bytes more = random.bytes(random.length(most));
      bytes.insert(bytes.begin() + static_cast<std::ptrdiff_t>(random.below(bytes.size() + 1)), more.begin(),
                   more.end());
      break;
    }
    case 2: {
      const Bytes again = bytes;
      bytes.insert(bytes.end(), again.begin(), again.end());
      break;
    }
    default:
      break;
  }
  if (bytes.size() > most) bytes.resize(most);
}

std::string mutated(Random& random, std::string text, size_t most) {
  Bytes bytes(text.begin(), text.end());
  mutate(random, bytes, most);
  return std::string(bytes.begin(), bytes.end());
}

void repeat(const char* name, size_t rounds, const std::function<void(Random&)>& round) {
  const uint64_t seed = from_environment("ECDOCK_FUZZ_SEED").value_or(1);
  const auto only = from_environment("ECDOCK_FUZZ_ROUND");
  const uint64_t begin = only.value_or(0);
  const uint64_t end = only ? begin + 1 : rounds * from_environment("ECDOCK_FUZZ_TIMES").value_or(1);
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_set_death_callback(tell_round);
#endif
  for (uint64_t number = begin; number < end; ++number) {
    running = {name, seed, number};
    INFO("fuzzing ", name, ": ECDOCK_FUZZ_SEED=", seed, " ECDOCK_FUZZ_ROUND=", number);
    Random random(seed * 0x2545f4914f6cdd1d + number);
    round(random);
  }
  running = {};
}

}  // namespace ecdock::fuzz
