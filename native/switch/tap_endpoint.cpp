#include "switch/tap_endpoint.h"

#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <sys/ioctl.h>

#include <array>
#include <cerrno>

#include "switch/coalescer.h"

// Since Linux 6.2; older headers lack them.
#ifndef TUN_F_USO4
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif

namespace ecdock::vde {

namespace {

// For each time that it is told, so that other ports have their turn.
constexpr size_t kFramesAtOnce = 64;
constexpr size_t kBytesAtOnce = 512 * 1024;

// The frames that were read one after the other, in one buffer for all taps: they are forwarded before
// another tap is read. Memory that no frame has been in yet costs nothing.
class Batch {
 public:
  // Where the next frame is read to, with kHeadroom before it and room for the longest.
  uint8_t* room() { return buffer_.data() + used_ + kHeadroom; }
  void add(const Frame& frame) {
    frames_[count_++] = frame;
    used_ += (kHeadroom + frame.size + 15) / 16 * 16;
  }
  bool full() const {
    return count_ == frames_.size() || buffer_.size() - used_ < kHeadroom + kMaxSegment + 1;
  }
  // Empties it; the frames stay where they are until the next one is read.
  std::span<Frame> take() {
    const std::span<Frame> taken(frames_.data(), count_);
    used_ = 0;
    count_ = 0;
    return taken;
  }

 private:
  alignas(16) std::array<uint8_t, 192 * 1024> buffer_;
  size_t used_ = 0;
  std::array<Frame, kFramesAtOnce> frames_;
  size_t count_ = 0;
};

Batch batch;
Coalescer coalescer;

Status allow_offload(int fd, bool offload) {
  const int size = sizeof(Offload);
  if (ioctl(fd, TUNSETVNETHDRSZ, &size) < 0) return Error::from_errno("TUNSETVNETHDRSZ", errno);
  const unsigned basic = offload ? TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN : 0;
  const unsigned udp = TUN_F_USO4 | TUN_F_USO6;
  if (offload && ioctl(fd, TUNSETOFFLOAD, basic | udp) == 0) return Done{};
  if (ioctl(fd, TUNSETOFFLOAD, basic) < 0) return Error::from_errno("TUNSETOFFLOAD", errno);
  return Done{};
}

}  // namespace

Result<Tap> Tap::adopt(Fd fd, bool offload) {
  ifreq request{};
  if (ioctl(fd.get(), TUNGETIFF, &request) < 0) {
    return Error{"tap", EINVAL, "the descriptor is no tap that is attached to an interface", {}};
  }
  const auto flags = static_cast<unsigned short>(request.ifr_flags);
  if (!(flags & IFF_TAP) || !(flags & IFF_NO_PI)) {
    return Error{"tap", EINVAL, "the descriptor was not opened with IFF_TAP and IFF_NO_PI", {}};
  }
  const bool with_header = (flags & IFF_VNET_HDR) != 0;
  if (with_header) {
    const Status allowed = allow_offload(fd.get(), offload);
    if (!allowed.ok()) return allowed.error();
  }
  if (fcntl(fd.get(), F_SETFL, O_RDWR | O_NONBLOCK) < 0) return Error::from_errno("fcntl", errno);
  return Tap{std::move(fd), with_header};
}

Result<Tap> Tap::open(const std::string& name, bool offload) {
  Fd fd(::open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK));
  if (!fd.valid()) return Error::from_errno("open /dev/net/tun", errno);
  ifreq request{};
  if (name.empty() || name.size() >= sizeof request.ifr_name) {
    return Error{"tap", EINVAL, "the name of an interface has 1 to 15 bytes, and '" + name + "' has not", {}};
  }
  name.copy(request.ifr_name, name.size());
  request.ifr_flags = static_cast<short>(IFF_TAP | IFF_NO_PI | (offload ? IFF_VNET_HDR : 0));
  if (ioctl(fd.get(), TUNSETIFF, &request) < 0) return Error::from_errno("open the tap " + name, errno);
  return adopt(std::move(fd), offload);
}

TapEndpoint::TapEndpoint(EventLoop& loop, FrameSink& sink, Tap tap, Identity identity)
    : Endpoint(loop, sink, std::move(tap.fd), std::move(identity)), offload_(tap.offload) {}

void TapEndpoint::send(std::span<Frame> frames) {
  while (!frames.empty()) {
    const size_t joined = offload_ ? coalescer.join(frames) : 1;
    if (joined > 1) {
      size_t bytes = 0;
      for (const Frame& frame : frames.first(joined)) bytes += frame.size;
      transmit(coalescer.parts(), bytes, joined);
    } else {
      send_one(frames.front());
    }
    frames = frames.subspan(joined);
  }
}

void TapEndpoint::send_one(Frame& frame) {
  if (offload_) {
    uint8_t* const begin = frame.bytes - sizeof(Offload);
    std::memcpy(begin, &frame.offload, sizeof(Offload));
    const iovec whole{begin, frame.size + sizeof(Offload)};
    transmit({&whole, 1}, frame.size);
  } else if (frame.plain()) {
    const iovec whole{frame.bytes, frame.size};
    transmit({&whole, 1}, frame.size);
  } else {
    transmit_divided(frame);
  }
}

void TapEndpoint::receive() {
  // While frames come one by one, only one is read: to see that there is no other costs as much as half a
  // frame. If there was one, epoll has told of it at once.
  if (loop().at_once() && loop().round() == last_round_ + 1) bursting_ = true;
  last_round_ = loop().round();
  const size_t at_most = bursting_ ? kFramesAtOnce : 1;
  const size_t header = offload_ ? sizeof(Offload) : 0;
  size_t count = 0;
  size_t bytes = 0;
  bool stream = false;
  while (count < at_most && bytes < kBytesAtOnce && !stopped()) {
    uint8_t* const room = batch.room();
    const ssize_t size = read(fd(), room - header, kMaxSegment + 1 + header);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) {
      // The interface was deleted, by hand or with its namespace. Down it only has nothing to read.
      const bool gone = errno == EBADFD || errno == EFAULT;
      deliver(batch.take());
      if (gone) lose("the interface was deleted");
      break;
    }
    ++count;
    if (static_cast<size_t>(size) < header) {
      drop();
      continue;
    }
    Frame frame{room, static_cast<size_t>(size) - header, {}};
    if (offload_) std::memcpy(&frame.offload, room - header, header);
    bytes += frame.size;
    if (!accept(frame, frame.offload.divided() ? kMaxFrame : kMaxSegment)) continue;
    batch.add(frame);
    // What the kernel left whole is a batch by itself, and more of it will follow.
    if (!frame.offload.divided()) stream = true;
    if (!frame.offload.divided() || batch.full()) deliver(batch.take());
  }
  deliver(batch.take());
  bursting_ = count > 1 || stream;
}

}  // namespace ecdock::vde
