#include "switch/datagram_endpoint.h"

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace ecdock::vde {

namespace {

constexpr size_t kBatch = 32;
constexpr int kBatchesAtOnce = 2;
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

void DatagramEndpoint::send(Frame& frame) {
  if (frame.plain()) {
    const iovec whole{frame.bytes, frame.size};
    transmit({&whole, 1}, frame.size);
  } else {
    transmit_divided(frame);
  }
}

void DatagramEndpoint::receive() {
  for (int batches = 0; batches < kBatchesAtOnce && !stopped(); ++batches) {
    const int count = batch().receive(fd());
    // An error, such as that the client has connected its socket anew, is told once and means no more.
    if (count <= 0) return;
    for (int i = 0; i < count && !stopped(); ++i) {
      // libvdeplug 2 sends an empty one when it closes.
      if (batch().size(i) == 0) continue;
      Frame frame{batch().frame(i), batch().size(i), {}};
      deliver(frame, kMaxFrame);
    }
    if (yields_to_congestion() || static_cast<size_t>(count) < kBatch) return;
  }
}

size_t DatagramEndpoint::write_queued(std::span<const iovec> frames) {
  static std::array<mmsghdr, 64> messages{};
  const size_t count = std::min(frames.size(), messages.size());
  for (size_t i = 0; i < count; ++i) {
    messages[i].msg_hdr.msg_iov = const_cast<iovec*>(&frames[i]);
    messages[i].msg_hdr.msg_iovlen = 1;
  }
  const int sent = sendmmsg(fd(), messages.data(), static_cast<unsigned>(count), MSG_DONTWAIT | MSG_NOSIGNAL);
  if (sent >= 0) return static_cast<size_t>(sent);
  if (errno == EAGAIN || errno == EINTR || count == 0) return 0;
  drop();
  return 1;
}

}  // namespace ecdock::vde
