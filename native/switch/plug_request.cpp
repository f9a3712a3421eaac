#include "switch/plug_request.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cstring>

namespace ecdock::vde {

namespace {

constexpr uint32_t kMagic = 0xfeedface;
constexpr uint32_t kVersion = 3;
constexpr size_t kWord = sizeof(uint32_t);
constexpr size_t kMac = 6;
constexpr uint32_t kNewPort = 0;
constexpr uint32_t kNewPortZero = 1;
constexpr size_t kMaxDescription = 127;

static_assert(sizeof(sockaddr_un) == kPlugReply);

uint32_t word(std::span<const uint8_t> bytes, size_t index) {
  uint32_t value = 0;
  std::memcpy(&value, bytes.data() + index * kWord, kWord);
  return value;
}

// The path that a packed sockaddr_un names, empty when it names none. An abstract name is all of its bytes.
std::string path_of(std::span<const uint8_t> address) {
  sa_family_t family = 0;
  std::memcpy(&family, address.data(), sizeof family);
  if (family != AF_UNIX) return {};
  const auto* path = reinterpret_cast<const char*>(address.data() + offsetof(sockaddr_un, sun_path));
  const size_t room = sizeof(sockaddr_un) - offsetof(sockaddr_un, sun_path);
  if (path[0] != '\0') return std::string(path, strnlen(path, room));
  return std::any_of(path, path + room, [](char c) { return c != '\0'; }) ? std::string(path, room)
                                                                          : std::string();
}

// The path must fit; it ends with a zero byte unless it fills the address.
void put_address(uint8_t* at, const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path);
  std::memcpy(at, &address, sizeof address);
}

void put_word(std::vector<uint8_t>& bytes, size_t index, uint32_t value) {
  std::memcpy(bytes.data() + index * kWord, &value, kWord);
}

}  // namespace

PlugRequestRead parse_plug_request(std::span<const uint8_t> bytes) {
  if (bytes.size() < kWord) return Incomplete{};
  if (word(bytes, 0) != kMagic) return Malformed{"it does not begin with VDE's magic number"};
  if (bytes.size() < 2 * kWord) return Incomplete{};
  // Version 1 has none: what stands there is its type.
  const uint32_t second = word(bytes, 1);
  const bool versioned = second == kVersion;
  if (!versioned && (second & 0xff) > kNewPortZero) {
    return Malformed{"version " + std::to_string(second) + " is not known"};
  }
  const size_t address_at = versioned ? 3 * kWord : 2 * kWord + kMac;
  const size_t end = address_at + sizeof(sockaddr_un);
  if (bytes.size() < end) return Incomplete{};

  const uint32_t type = versioned ? word(bytes, 2) : second;
  if ((type & 0xff) != kNewPort && (type & 0xff) != kNewPortZero) {
    return Malformed{"type " + std::to_string(type & 0xff) + " is not known"};
  }
  PlugRequest request;
  request.port_zero = (type & 0xff) == kNewPortZero;
  request.port = type >> 8;
  request.socket_path = path_of(bytes.subspan(address_at, sizeof(sockaddr_un)));
  if (request.socket_path.empty()) return Malformed{"it names no datagram socket"};
  const auto rest = bytes.subspan(end);
  const auto* text = reinterpret_cast<const char*>(rest.data());
  request.description = std::string(text, strnlen(text, std::min(rest.size(), kMaxDescription)));
  return request;
}

std::vector<uint8_t> encode_plug_request(const PlugRequest& request) {
  const size_t description_at = 3 * kWord + sizeof(sockaddr_un);
  const size_t length = std::min(request.description.size(), kMaxDescription);
  std::vector<uint8_t> bytes(description_at + length);
  put_word(bytes, 0, kMagic);
  put_word(bytes, 1, kVersion);
  put_word(bytes, 2, request.port << 8 | (request.port_zero ? kNewPortZero : kNewPort));
  put_address(bytes.data() + 3 * kWord, request.socket_path);
  std::copy_n(request.description.begin(), length, bytes.begin() + description_at);
  return bytes;
}

std::vector<uint8_t> encode_plug_reply(const std::string& socket_path) {
  std::vector<uint8_t> bytes(kPlugReply);
  put_address(bytes.data(), socket_path);
  return bytes;
}

std::variant<Incomplete, Malformed, std::string> parse_plug_reply(std::span<const uint8_t> bytes) {
  if (bytes.size() < kPlugReply) return Incomplete{};
  std::string path = path_of(bytes.first(kPlugReply));
  if (path.empty()) return Malformed{"the switch's answer names no datagram socket"};
  return path;
}

}  // namespace ecdock::vde
