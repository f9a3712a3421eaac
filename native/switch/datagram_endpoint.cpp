#include "switch/datagram_endpoint.h"

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace ecdock::vde {

namespace {

constexpr size_t kBatch = 64;
constexpr size_t kRoom = (kHeadroom + kMaxFrame + 1 + 63) / 64 * 64;

// One for all sockets: a batch is forwarded before the next one is received. Memory that no frame has been in
// yet costs nothing.
class Batch {
 public:
  Batch() {
    for (size_t i = 0; i < kBatch; ++i) {
      parts_[i] = iovec{frame(i), kMaxFrame + 1};
      messages_[i].msg_hdr.msg_iov = &parts_[i];
      messages_[i].msg_hdr.msg_iovlen = 1;
    }
  }

  int receive(int fd) {
    return recvmmsg(fd, messages_.data(), static_cast<unsigned>(kBatch), MSG_DONTWAIT, nullptr);
  }
  uint8_t* frame(size_t index) { return buffer_.data() + index * kRoom + kHeadroom; }
  size_t size(size_t index) const { return messages_[index].msg_len; }

 private:
  alignas(64) std::array<uint8_t, kBatch * kRoom> buffer_;
  std::array<iovec, kBatch> parts_{};
  std::array<mmsghdr, kBatch> messages_{};
};

Batch& batch() {
  static Batch one;
  return one;
}

}  // namespace

DatagramEndpoint::DatagramEndpoint(EventLoop& loop, FrameSink& sink, Fd fd, Identity identity)
    : Endpoint(loop, sink, std::move(fd), std::move(identity)) {}

void DatagramEndpoint::send(std::span<Frame> frames) {
  std::array<iovec, kBatch> whole;
  size_t count = 0;
  const auto send_whole = [&] {
    if (count == 1) {
      transmit({whole.data(), 1}, whole[0].iov_len);
    } else if (count > 1) {
      transmit_all({whole.data(), count});
    }
    count = 0;
  };
  for (const Frame& frame : frames) {
    if (frame.plain()) {
      whole[count++] = iovec{frame.bytes, frame.size};
      if (count == whole.size()) send_whole();
    } else {
      send_whole();
      transmit_divided(frame);
    }
  }
  send_whole();
  mind_pace();
}

void DatagramEndpoint::receive() {
  static std::array<Frame, kBatch> frames;
  mind_pace();
  const int count = batch().receive(fd());
  // An error, such as that the client has connected its socket anew, is told once and means no more.
  if (count <= 0) return;
  size_t accepted = 0;
  for (size_t i = 0; i < static_cast<size_t>(count); ++i) {
    // libvdeplug 2 sends an empty one when it closes.
    if (batch().size(i) == 0) continue;
    const Frame frame{batch().frame(i), batch().size(i), {}};
    if (accept(frame, kMaxFrame)) frames[accepted++] = frame;
  }
  deliver({frames.data(), accepted});
  yield_to_congestion();
}

Endpoint::Written DatagramEndpoint::write_frames(std::span<const iovec> frames) {
  static std::array<mmsghdr, kBatch> messages{};
  const size_t count = std::min(frames.size(), messages.size());
  if (count == 0) return {};
  for (size_t i = 0; i < count; ++i) {
    messages[i].msg_hdr.msg_iov = const_cast<iovec*>(&frames[i]);
    messages[i].msg_hdr.msg_iovlen = 1;
  }
  const int sent = sendmmsg(fd(), messages.data(), static_cast<unsigned>(count), MSG_DONTWAIT | MSG_NOSIGNAL);
  if (sent >= 0) return {static_cast<size_t>(sent), false};
  return {0, errno != EAGAIN && errno != EINTR};
}

}  // namespace ecdock::vde
