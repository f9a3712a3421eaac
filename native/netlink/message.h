#pragma once

#include <linux/netlink.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ecdock::netlink {

// One netlink request, built from front to back (linux/netlink.h). Knows nothing of sockets.
class Request {
 public:
  Request(uint16_t type, uint16_t flags);

  // The fixed header of the family: ifinfomsg, ifaddrmsg, rtmsg.
  template <class Header>
  Request& header(const Header& value) {
    append(&value, sizeof value);
    return *this;
  }

  Request& bytes(uint16_t attribute, const void* data, size_t length);
  Request& text(uint16_t attribute, std::string_view value);  // with its terminating zero
  Request& u8(uint16_t attribute, uint8_t value);
  Request& u32(uint16_t attribute, uint32_t value);

  // Attributes put between nest() and close() of its answer lie inside `attribute`.
  size_t nest(uint16_t attribute);
  void close(size_t nest);

  // The finished message; `sequence` is what the kernel's answer repeats.
  std::span<const uint8_t> finish(uint32_t sequence);

  uint16_t type() const { return type_; }

 private:
  void append(const void* data, size_t length);

  uint16_t type_;
  std::vector<uint8_t> buffer_;
};

using Bytes = std::span<const uint8_t>;

// The attributes of a message, checked against its length as they are walked: a malformed tail ends the walk.
class Attributes {
 public:
  explicit Attributes(Bytes data) : data_(data) {}

  std::optional<Bytes> find(uint16_t type) const;
  std::optional<uint32_t> u32(uint16_t type) const;
  std::string text(uint16_t type) const;  // without its terminating zero; "" when absent
  Attributes nested(uint16_t type) const;

 private:
  Bytes data_;
};

// Cuts a received datagram into messages. Stops at the first that does not fit into it.
class Messages {
 public:
  explicit Messages(Bytes datagram) : rest_(datagram) {}

  struct Message {
    nlmsghdr header;
    Bytes payload;
  };
  std::optional<Message> next();
  // True when bytes are left over that are no whole message.
  bool truncated() const { return truncated_; }

 private:
  Bytes rest_;
  bool truncated_ = false;
};

// The answer that ends a request: an errno (0 for done) and the text of the extended acknowledgement.
struct Acknowledgement {
  int err = 0;
  std::string text;
};
std::optional<Acknowledgement> parse_acknowledgement(const Messages::Message& message);

// The part of `payload` behind the family header of type Header; nothing when it is too short for one.
template <class Header>
std::optional<std::pair<Header, Attributes>> split(Bytes payload) {
  if (payload.size() < sizeof(Header)) return std::nullopt;
  Header header;
  std::memcpy(&header, payload.data(), sizeof header);
  const size_t start = NLMSG_ALIGN(sizeof header);
  return std::pair{header, Attributes(start < payload.size() ? payload.subspan(start) : Bytes{})};
}

}  // namespace ecdock::netlink
