#include "switch/plug_request.h"

#include <doctest/doctest.h>

#include <cstring>
#include <random>

using namespace ecdock::vde;

namespace {

void append(std::vector<uint8_t>& bytes, const void* data, size_t size) {
  const size_t at = bytes.size();
  bytes.resize(at + size);
  std::memcpy(bytes.data() + at, data, size);
}

void append_word(std::vector<uint8_t>& bytes, uint32_t word) { append(bytes, &word, sizeof word); }

void append_address(std::vector<uint8_t>& bytes, const char* path) {
  uint8_t address[110] = {1, 0};  // AF_UNIX
  std::memcpy(address + 2, path, std::strlen(path));
  append(bytes, address, sizeof address);
}

std::vector<uint8_t> version_3(uint32_t type, const char* description) {
  std::vector<uint8_t> bytes;
  append_word(bytes, 0xfeedface);
  append_word(bytes, 3);
  append_word(bytes, type);
  append_address(bytes, "/run/vde/.client");
  append(bytes, description, std::strlen(description));
  return bytes;
}

PlugRequest accepted(const std::vector<uint8_t>& bytes) {
  const auto read = parse_plug_request(bytes);
  REQUIRE(std::holds_alternative<PlugRequest>(read));
  return std::get<PlugRequest>(read);
}

}  // namespace

TEST_CASE("a request of version 3 is read") {
  const auto request = accepted(version_3(7 << 8, "vde_plug: user=root"));
  CHECK(request.port == 7);
  CHECK_FALSE(request.port_zero);
  CHECK(request.socket_path == "/run/vde/.client");
  CHECK(request.description == "vde_plug: user=root");
  CHECK(accepted(version_3(1, "")).port_zero);
  CHECK(accepted(version_3(0, "")).port == 0);
}

TEST_CASE("a request of version 1 is read") {
  std::vector<uint8_t> bytes;
  append_word(bytes, 0xfeedface);
  append_word(bytes, 3 << 8);
  append(bytes, "\x02\0\0\0\0\x01", 6);
  append_address(bytes, "/tmp/vde.1");
  REQUIRE(bytes.size() == 124);
  append(bytes, "old", 3);
  const auto request = accepted(bytes);
  CHECK(request.port == 3);
  CHECK(request.socket_path == "/tmp/vde.1");
  CHECK(request.description == "old");
}

TEST_CASE("a request is incomplete until its address is there") {
  const auto whole = version_3(0, "");
  REQUIRE(whole.size() == 122);
  for (size_t size = 0; size < whole.size(); ++size) {
    CHECK(std::holds_alternative<Incomplete>(parse_plug_request({whole.data(), size})));
  }
}

TEST_CASE("other magic, versions, types and addresses are malformed") {
  const auto broken = [](size_t at, uint8_t value) {
    auto bytes = version_3(0, "");
    bytes[at] = value;
    return std::holds_alternative<Malformed>(parse_plug_request(bytes));
  };
  CHECK(broken(0, 0));
  CHECK(broken(4, 2));
  CHECK(broken(4, 4));
  CHECK(broken(8, 2));
  CHECK(broken(12, 2));  // not AF_UNIX
  auto nameless = version_3(0, "");
  std::fill(nameless.begin() + 14, nameless.end(), 0);
  CHECK(std::holds_alternative<Malformed>(parse_plug_request(nameless)));
  const uint8_t http[] = "GET / HTTP/1.1";
  CHECK(std::holds_alternative<Malformed>(parse_plug_request(http)));
}

TEST_CASE("a path that fills its address ends there, and an abstract name is all of it") {
  auto bytes = version_3(0, "text");
  std::fill(bytes.begin() + 14, bytes.begin() + 122, 'a');
  CHECK(accepted(bytes).socket_path == std::string(108, 'a'));
  bytes[14] = 0;
  CHECK(accepted(bytes).socket_path.size() == 108);
}

TEST_CASE("a description ends at a zero byte, or after 127") {
  CHECK(accepted(version_3(0, std::string(200, 'd').c_str())).description.size() == 127);
  auto bytes = version_3(0, "abc");
  bytes.push_back(0);
  bytes.push_back('x');
  CHECK(accepted(bytes).description == "abc");
}

TEST_CASE("what is encoded is read again") {
  const PlugRequest request{false, 12, "/run/vde/.c", "cable"};
  const auto again = accepted(encode_plug_request(request));
  CHECK(again.port == 12);
  CHECK(again.socket_path == "/run/vde/.c");
  CHECK(again.description == "cable");

  const auto reply = encode_plug_reply("/run/vde/001.9");
  REQUIRE(reply.size() == 110);
  CHECK(std::get<std::string>(parse_plug_reply(reply)) == "/run/vde/001.9");
  CHECK(std::holds_alternative<Incomplete>(parse_plug_reply({reply.data(), 109})));
  CHECK(std::holds_alternative<Malformed>(parse_plug_reply(std::vector<uint8_t>(110))));
}

TEST_CASE("bytes of any kind are read or refused, without a fault") {
  std::mt19937 random(1);
  for (int round = 0; round < 20'000; ++round) {
    auto bytes = version_3(random(), "anything");
    for (int i = 0; i < 4; ++i) bytes[random() % bytes.size()] = static_cast<uint8_t>(random());
    bytes.resize(random() % (bytes.size() + 1));
    parse_plug_request(bytes);
    parse_plug_reply(bytes);
  }
}
