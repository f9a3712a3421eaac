#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <variant>
#include <vector>

namespace ecdock::vde {

// The handshake on DIR/ctl by which a program plugs itself into a VDE switch, versions 3 and 1, as libvdeplug
// 2 and 4 speak it. All numbers are in the byte order of the host; both ends are on the same machine.
struct PlugRequest {
  bool port_zero = false;   // port 0, which vde_switch keeps for its own management
  uint32_t port = 0;        // the port wanted; 0 is any
  std::string socket_path;  // the client's datagram socket; begins with a zero byte when it is abstract
  std::string description;  // at most 127 bytes, of any kind
};

struct Incomplete {};
struct Malformed {
  std::string why;
};

using PlugRequestRead = std::variant<Incomplete, Malformed, PlugRequest>;

// A request is never longer; the rest of what a client writes is not looked at.
inline constexpr size_t kMaxPlugRequest = 256;

// The bytes that came until now. The description has no length of its own: it is what came together with the
// rest.
PlugRequestRead parse_plug_request(std::span<const uint8_t> bytes);

// Version 3. The path must fit into a socket address.
std::vector<uint8_t> encode_plug_request(const PlugRequest& request);

// The answer to both versions is a sockaddr_un with the path of the switch's datagram socket.
std::vector<uint8_t> encode_plug_reply(const std::string& socket_path);
inline constexpr size_t kPlugReply = 110;
std::variant<Incomplete, Malformed, std::string> parse_plug_reply(std::span<const uint8_t> bytes);

}  // namespace ecdock::vde
