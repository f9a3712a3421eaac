#include "switch/tap_endpoint.h"

#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <sys/ioctl.h>

#include <array>
#include <cerrno>

// Since Linux 6.2; older headers lack them.
#ifndef TUN_F_USO4
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif

namespace ecdock::vde {

namespace {

// For each time that it is told, so that other ports have their turn.
constexpr int kFramesAtOnce = 64;
constexpr size_t kBytesAtOnce = 512 * 1024;

// One for all taps: a frame is forwarded before the next one is read.
alignas(16) std::array<uint8_t, kHeadroom + kMaxSegment + 1> buffer;

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

void TapEndpoint::send(Frame& frame) {
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
  const size_t header = offload_ ? sizeof(Offload) : 0;
  uint8_t* const begin = buffer.data() + kHeadroom - header;
  size_t bytes = 0;
  for (int frames = 0; frames < kFramesAtOnce && bytes < kBytesAtOnce && !stopped(); ++frames) {
    const ssize_t size = read(fd(), begin, kMaxSegment + 1 + header);
    if (size < 0) {
      if (errno == EINTR) continue;
      // The interface was deleted, by hand or with its namespace. Down it only has nothing to read.
      if (errno == EBADFD || errno == EFAULT) lose("the interface was deleted");
      return;
    }
    if (static_cast<size_t>(size) < header) {
      drop();
      continue;
    }
    Frame frame{buffer.data() + kHeadroom, static_cast<size_t>(size) - header, {}};
    if (offload_) std::memcpy(&frame.offload, begin, header);
    bytes += frame.size;
    deliver(frame, frame.offload.divided() ? kMaxFrame : kMaxSegment);
  }
}

}  // namespace ecdock::vde
