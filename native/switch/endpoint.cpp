#include "switch/endpoint.h"

#include <cerrno>

namespace ecdock::vde {

namespace {

constexpr size_t kFlush = 64;  // frames at once, so that one receiver does not hold up the others

}  // namespace

Counters& Counters::operator+=(const Counters& more) {
  rx_packets += more.rx_packets;
  rx_bytes += more.rx_bytes;
  tx_packets += more.tx_packets;
  tx_bytes += more.tx_bytes;
  drops += more.drops;
  return *this;
}

Endpoint::Endpoint(EventLoop& loop, FrameSink& sink, Fd fd, Identity identity)
    : loop_(loop), sink_(sink), fd_(std::move(fd)), identity_(std::move(identity)) {}

Endpoint::~Endpoint() { stop(); }

Status Endpoint::start() { return loop_.add(fd_.get(), EPOLLIN, *this); }

Fd Endpoint::stop() {
  if (fd_.valid()) loop_.remove(fd_.get(), *this);
  queue_ = TransmitQueue();
  return std::move(fd_);
}

void Endpoint::on_ready(uint32_t events) {
  if (events & EPOLLOUT) flush();
  if (!stopped() && (events & ~EPOLLOUT)) receive();
}

void Endpoint::deliver(Frame& frame, size_t most) {
  if (frame.size < kEthernetHeader || frame.size > most) {
    drop();
    return;
  }
  ++counters_.rx_packets;
  counters_.rx_bytes += frame.size;
  sink_.forward(*this, frame);
}

void Endpoint::transmit(std::span<const iovec> parts, size_t payload) {
  if (queue_.empty()) {
    ssize_t written = 0;
    do {
      written = writev(fd_.get(), parts.data(), static_cast<int>(parts.size()));
    } while (written < 0 && errno == EINTR);
    if (written >= 0) {
      ++counters_.tx_packets;
      counters_.tx_bytes += payload;
      return;
    }
    // Anything else means that the device is down or the receiver gone, which is seen elsewhere.
    if (errno != EAGAIN) {
      drop();
      return;
    }
  }
  if (!queue_.push(parts)) {
    drop();
    return;
  }
  ++counters_.tx_packets;
  counters_.tx_bytes += payload;
  want(true);
}

void Endpoint::transmit_divided(const Frame& frame) {
  Segmenter segments(frame);
  while (const auto segment = segments.next()) {
    const iovec parts[] = {
        {const_cast<uint8_t*>(segment->head.data()), segment->head.size()},
        {const_cast<uint8_t*>(segment->body.data()), segment->body.size()},
    };
    transmit(parts, segment->head.size() + segment->body.size());
  }
  if (!segments.well_formed()) drop();
}

void Endpoint::flush() {
  static std::vector<iovec> frames;
  queue_.front(frames, kFlush);
  queue_.pop(write_queued(frames));
  if (queue_.empty()) want(false);
}

size_t Endpoint::write_queued(std::span<const iovec> frames) {
  size_t taken = 0;
  for (const iovec& frame : frames) {
    if (writev(fd_.get(), &frame, 1) < 0) {
      if (errno == EAGAIN || errno == EINTR) return taken;
      drop();
    }
    ++taken;
  }
  return taken;
}

void Endpoint::want(bool writing) {
  if (writing == writing_) return;
  writing_ = writing;
  loop_.change(fd_.get(), writing ? EPOLLIN | EPOLLOUT : EPOLLIN, *this);
}

const std::string& Endpoint::words() const {
  if (!identity_.description.empty()) return identity_.description;
  return identity_.label.empty() ? identity_.name : identity_.label;
}

void Endpoint::lose(const std::string& reason) { sink_.lost(*this, reason); }

}  // namespace ecdock::vde
