#include "test/fuzz/rounds.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <optional>

// What a sanitizer ends is to end by a signal, before which the round is told.
extern "C" const char* __asan_default_options();
extern "C" const char* __asan_default_options() { return "abort_on_error=1"; }
extern "C" const char* __ubsan_default_options();
extern "C" const char* __ubsan_default_options() { return "abort_on_error=1:print_stacktrace=1"; }

namespace ecdock::fuzz {

namespace {

using Handler = void (*)(int);

struct Running {
  const char* name = nullptr;
  uint64_t seed = 0;
  uint64_t round = 0;
  Handler before = SIG_DFL;  // of SIGABRT: doctest's
} running;

void tell_round(int signal) {
  dprintf(STDERR_FILENO, "fuzzing %s: ECDOCK_FUZZ_SEED=%llu ECDOCK_FUZZ_ROUND=%llu\n", running.name,
          static_cast<unsigned long long>(running.seed), static_cast<unsigned long long>(running.round));
  std::signal(signal, running.before);
  std::raise(signal);
}

std::optional<uint64_t> from_environment(const char* name) {
  const char* const text = std::getenv(name);
  if (text == nullptr || *text == '\0') return std::nullopt;
  return std::strtoull(text, nullptr, 10);
}

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
  running = {name, seed, begin, std::signal(SIGABRT, tell_round)};
  for (uint64_t number = begin; number < end; ++number) {
    running.round = number;
    INFO("fuzzing ", std::string(name), ": ECDOCK_FUZZ_SEED=", seed, " ECDOCK_FUZZ_ROUND=", number);
    Random random(seed * 0x2545f4914f6cdd1d + number);
    round(random);
  }
  std::signal(SIGABRT, running.before);
}

}  // namespace ecdock::fuzz
