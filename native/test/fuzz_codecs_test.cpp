// Bytes that nobody trusts, against what reads requests.
#include <doctest/doctest.h>

#include <cerrno>
#include <cstring>

#include "switch/console_arguments.h"
#include "switch/control_message.h"
#include "switch/plug_request.h"
#include "test/fuzz/rounds.h"

using namespace ecdock::fuzz;
using namespace ecdock::vde;

namespace {

constexpr const char* kControlLines[] = {
    "tap port=7 name=eth0 label=a%20b",
    "unplug port=3",
    "list",
    "list port=1",
    "status",
    "set max-ports=9",
    "watch",
};

// The verdict on the first `size` bytes, in a buffer of just that size.
PlugRequestRead verdict(const Bytes& bytes, size_t size) {
  const Bytes exact(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size));
  return parse_plug_request(exact);
}

}  // namespace

TEST_CASE("fuzz: a request to plug in is read the same however it arrives") {
  repeat("plug requests", 800, [](Random& random) {
    const PlugRequest wanted{random.one_in(8), static_cast<uint32_t>(random.odd_number() & 0xffffff),
                             random.one_in(4) ? std::string("\0abstract", 9) : "/run/vde/.client",
                             std::string(random.below(140), 'd')};
    Bytes bytes = encode_plug_request(wanted);
    // Version 1: a type that is the second word, and a MAC between it and the address.
    if (random.one_in(2)) {
      std::memmove(bytes.data() + 4, bytes.data() + 8, 4);
      bytes.insert(bytes.begin() + 8, 6, 2);
      bytes.erase(bytes.begin() + 14, bytes.begin() + 18);
    }
    if (!random.one_in(3)) mutate(random, bytes, kMaxPlugRequest);
    const auto whole = verdict(bytes, bytes.size());
    for (size_t size = 0; size <= bytes.size(); ++size) {
      const auto part = verdict(bytes, size);
      if (const auto* malformed = std::get_if<Malformed>(&part)) {
        REQUIRE(std::holds_alternative<Malformed>(whole));
        CHECK(std::get<Malformed>(whole).why == malformed->why);
        break;
      }
    }
    const auto* const request = std::get_if<PlugRequest>(&whole);
    if (request == nullptr) return;
    const auto again = parse_plug_request(encode_plug_request(*request));
    REQUIRE(std::holds_alternative<PlugRequest>(again));
    CHECK(std::get<PlugRequest>(again).port == request->port);
    CHECK(std::get<PlugRequest>(again).socket_path == request->socket_path);
    CHECK(std::get<PlugRequest>(again).description == request->description);
  });
}

TEST_CASE("fuzz: an answer to a request is read or refused") {
  repeat("plug replies", 4000, [](Random& random) {
    Bytes bytes = encode_plug_reply("/run/vde/001.9");
    mutate(random, bytes, 2 * kPlugReply);
    const auto read = parse_plug_reply(bytes);
    CHECK(std::holds_alternative<Incomplete>(read) == (bytes.size() < kPlugReply));
  });
}

TEST_CASE("fuzz: a control request that is read says the same when it is written again") {
  repeat("control requests", 10'000, [](Random& random) {
    const std::string line = mutated(random, random.of(kControlLines), kMaxControlLine);
    const auto request = parse_control_request(line);
    if (!request.ok()) {
      CHECK(request.error().err == EINVAL);
      const std::string told = control_error(request.error());
      CHECK(told.find('\n') == told.size() - 1);
      return;
    }
    ControlLine written(request.value().verb);
    for (const auto& [key, value] : request.value().fields) written.field(key, value);
    std::string text = written.take();
    text.pop_back();
    const auto again = parse_control_request(text);
    REQUIRE(again.ok());
    CHECK(again.value().fields == request.value().fields);
    const auto number = request.value().number("port", 100);
    if (number.ok() && number.value()) CHECK(*number.value() <= 100);
  });
}

TEST_CASE("fuzz: the console's numbers are numbers or none") {
  repeat("console arguments", 10'000, [](Random& random) {
    const std::string text =
        mutated(random, std::to_string(random.odd_number()) + " " + std::to_string(random.below(10)), 60);
    std::string_view rest = text;
    const auto number = take_number(rest);
    CHECK(rest.size() <= text.size());
    CHECK(console_number(text) == number.value_or(0));
    if (console_numbers(text)) CHECK(number.has_value());
  });
}
