#include "switch/control_message.h"

#include <doctest/doctest.h>

#include <cerrno>
#include <random>

using namespace ecdock;
using namespace ecdock::vde;

TEST_CASE("a control request is a verb and fields") {
  const auto request = parse_control_request("tap port=7 name=eth0 label=a%20b%25%0a");
  REQUIRE(request.ok());
  CHECK(request.value().verb == "tap");
  CHECK(request.value().text("name") == "eth0");
  CHECK(request.value().text("label") == "a b%\n");
  CHECK_FALSE(request.value().text("vnet").has_value());
  CHECK(request.value().number("port", 10).value() == 7U);
  CHECK(request.value().number("other", 10).value() == std::nullopt);
  CHECK(parse_control_request("list").value().fields.empty());
  CHECK(parse_control_request("list\r").value().verb == "list");
  CHECK(parse_control_request("tap label=").value().text("label") == "");
}

TEST_CASE("numbers are checked") {
  for (const char* line :
       {"tap port=", "tap port=-1", "tap port=1x", "tap port=11", "tap port=99999999999"}) {
    const auto number = parse_control_request(line).value().number("port", 10);
    REQUIRE_FALSE(number.ok());
    CHECK(number.error().err == EINVAL);
  }
}

TEST_CASE("malformed control requests are refused") {
  for (const char* line : {"", " list", "list ", "list  port=1", "list port", "list =1", "list a=%",
                           "list a=%4", "list a=%zz", "list a=\x7f", "list a=\xc3\xa4", "list a=1 a=2"}) {
    CAPTURE(line);
    const auto request = parse_control_request(line);
    REQUIRE_FALSE(request.ok());
    CHECK(request.error().err == EINVAL);
  }
}

TEST_CASE("answers are built field by field, and escaped") {
  CHECK(ControlLine("ok").field("port", 7).take() == "ok port=7\n");
  CHECK(ControlLine("port").field("label", "a b\n%\xff").take() == "port label=a%20b%0A%25%FF\n");
  CHECK(control_error(Error{"x", EBUSY, "port 7 is taken", {}}) ==
        "error code=EBUSY message=port%207%20is%20taken\n");
}

TEST_CASE("what is escaped is read again, whatever it is") {
  std::mt19937 random(2);
  for (int round = 0; round < 2000; ++round) {
    std::string value(random() % 40, '\0');
    for (char& c : value) c = static_cast<char>(random());
    const auto request = parse_control_request("v k=" + escape_control_value(value));
    REQUIRE(request.ok());
    CHECK(request.value().text("k") == value);
  }
}

TEST_CASE("lines of any kind are read or refused, without a fault") {
  std::mt19937 random(3);
  const std::string letters = "tap =%20\r\n\xff\0x";
  for (int round = 0; round < 20'000; ++round) {
    std::string line(random() % 30, '\0');
    for (char& c : line) c = letters[random() % letters.size()];
    const auto request = parse_control_request(line);
    CHECK((request.ok() || request.error().err == EINVAL));
  }
}
