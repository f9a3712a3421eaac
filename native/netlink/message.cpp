#include "netlink/message.h"

namespace ecdock::netlink {

namespace {
constexpr size_t kMaxAttribute = UINT16_MAX - NLA_HDRLEN;
}

Request::Request(uint16_t type, uint16_t flags) : type_(type) {
  nlmsghdr header{};
  header.nlmsg_type = type;
  header.nlmsg_flags = flags | NLM_F_REQUEST;
  buffer_.reserve(256);
  append(&header, sizeof header);
}

void Request::append(const void* data, size_t length) {
  const size_t start = buffer_.size();
  buffer_.resize(start + NLMSG_ALIGN(length));
  if (length > 0) std::memcpy(buffer_.data() + start, data, length);
}

Request& Request::bytes(uint16_t attribute, const void* data, size_t length) {
  // Callers check names and aliases at the door; a longer value could not be expressed and is cut here.
  if (length > kMaxAttribute) length = kMaxAttribute;
  const nlattr header{static_cast<uint16_t>(NLA_HDRLEN + length), attribute};
  append(&header, sizeof header);
  append(data, length);
  return *this;
}

Request& Request::text(uint16_t attribute, std::string_view value) {
  const std::string terminated(value);
  return bytes(attribute, terminated.c_str(), terminated.size() + 1);
}

Request& Request::u8(uint16_t attribute, uint8_t value) { return bytes(attribute, &value, sizeof value); }

Request& Request::u32(uint16_t attribute, uint32_t value) { return bytes(attribute, &value, sizeof value); }

size_t Request::nest(uint16_t attribute) {
  const size_t start = buffer_.size();
  const nlattr header{0, static_cast<uint16_t>(attribute | NLA_F_NESTED)};
  append(&header, sizeof header);
  return start;
}

void Request::close(size_t nest) {
  const auto length = static_cast<uint16_t>(buffer_.size() - nest);
  std::memcpy(buffer_.data() + nest, &length, sizeof length);
}

std::span<const uint8_t> Request::finish(uint32_t sequence) {
  const auto length = static_cast<uint32_t>(buffer_.size());
  std::memcpy(buffer_.data() + offsetof(nlmsghdr, nlmsg_len), &length, sizeof length);
  std::memcpy(buffer_.data() + offsetof(nlmsghdr, nlmsg_seq), &sequence, sizeof sequence);
  return buffer_;
}

std::optional<Bytes> Attributes::find(uint16_t type) const {
  Bytes rest = data_;
  while (rest.size() >= NLA_HDRLEN) {
    nlattr header;
    std::memcpy(&header, rest.data(), sizeof header);
    if (header.nla_len < NLA_HDRLEN || header.nla_len > rest.size()) return std::nullopt;
    if ((header.nla_type & NLA_TYPE_MASK) == type) {
      return rest.subspan(NLA_HDRLEN, header.nla_len - NLA_HDRLEN);
    }
    const size_t step = NLA_ALIGN(header.nla_len);
    if (step >= rest.size()) return std::nullopt;
    rest = rest.subspan(step);
  }
  return std::nullopt;
}

std::optional<uint32_t> Attributes::u32(uint16_t type) const {
  const auto bytes = find(type);
  if (!bytes || bytes->size() < sizeof(uint32_t)) return std::nullopt;
  uint32_t value;
  std::memcpy(&value, bytes->data(), sizeof value);
  return value;
}

std::string Attributes::text(uint16_t type) const {
  const auto bytes = find(type);
  if (!bytes) return {};
  const auto* start = reinterpret_cast<const char*>(bytes->data());
  return std::string(start, strnlen(start, bytes->size()));
}

Attributes Attributes::nested(uint16_t type) const { return Attributes(find(type).value_or(Bytes{})); }

std::optional<Messages::Message> Messages::next() {
  if (rest_.empty()) return std::nullopt;
  Message message;
  if (rest_.size() < sizeof message.header) {
    truncated_ = true;
    return std::nullopt;
  }
  std::memcpy(&message.header, rest_.data(), sizeof message.header);
  const size_t length = message.header.nlmsg_len;
  if (length < NLMSG_HDRLEN || length > rest_.size()) {
    truncated_ = true;
    return std::nullopt;
  }
  message.payload = rest_.subspan(NLMSG_HDRLEN, length - NLMSG_HDRLEN);
  const size_t step = NLMSG_ALIGN(length);
  rest_ = step < rest_.size() ? rest_.subspan(step) : Bytes{};
  return message;
}

std::optional<Acknowledgement> parse_acknowledgement(const Messages::Message& message) {
  if (message.header.nlmsg_type != NLMSG_ERROR && message.header.nlmsg_type != NLMSG_DONE)
    return std::nullopt;
  int negative_errno = 0;
  if (message.payload.size() < sizeof negative_errno) return Acknowledgement{};
  std::memcpy(&negative_errno, message.payload.data(), sizeof negative_errno);
  Acknowledgement answer{-negative_errno, {}};
  // NLMSG_ERROR repeats the request before the attributes, whole or (NETLINK_CAP_ACK) its header only.
  size_t attributes = sizeof negative_errno;
  if (message.header.nlmsg_type == NLMSG_ERROR) {
    nlmsghdr repeated;
    if (message.payload.size() < attributes + sizeof repeated) return answer;
    std::memcpy(&repeated, message.payload.data() + attributes, sizeof repeated);
    const bool capped = (message.header.nlmsg_flags & NLM_F_CAPPED) != 0;
    attributes += capped ? sizeof repeated : NLMSG_ALIGN(repeated.nlmsg_len);
  }
  if ((message.header.nlmsg_flags & NLM_F_ACK_TLVS) != 0 && attributes < message.payload.size()) {
    answer.text = Attributes(message.payload.subspan(attributes)).text(NLMSGERR_ATTR_MSG);
  }
  return answer;
}

}  // namespace ecdock::netlink
