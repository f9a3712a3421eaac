#include "switch/endpoint.h"

#include <unistd.h>

#include <cerrno>

namespace ecdock::vde {

namespace {

constexpr size_t kLongQueue = 64;    // frames, from which on senders are held back
constexpr size_t kShortQueue = 16;   // and down to which they are
constexpr int64_t kLongestHold = 2;  // ms
constexpr size_t kFlush = 64;        // frames at once, so that one receiver does not hold up the others

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
  // It has been stopped before, and its sink may be gone since.
  if (!fd_.valid()) return Fd();
  loop_.remove(fd_.get(), *this);
  let_go();
  if (held_back_by_ != nullptr) std::erase(held_back_by_->held_back_, this);
  held_back_by_ = nullptr;
  if (sink_.congested == this) sink_.congested = nullptr;
  queue_ = TransmitQueue();
  return std::move(fd_);
}

void Endpoint::on_ready(uint32_t events) {
  if (events & EPOLLOUT) flush();
  if (!stopped() && (events & ~EPOLLOUT)) receive();
}

bool Endpoint::accept(const Frame& frame, size_t most) {
  if (frame.size < kEthernetHeader || frame.size > most) {
    drop();
    return false;
  }
  ++counters_.rx_packets;
  counters_.rx_bytes += frame.size;
  if (asked_) loop_.answered();
  asked_ = false;
  return true;
}

void Endpoint::deliver(std::span<Frame> frames) {
  if (!frames.empty()) sink_.forward(*this, frames);
}

void Endpoint::transmit(std::span<const iovec> parts, size_t payload, size_t packets) {
  if (queue_.empty()) {
    ssize_t written = 0;
    do {
      // Of one part it is the shorter way through the kernel.
      written = parts.size() == 1 ? write(fd_.get(), parts[0].iov_base, parts[0].iov_len)
                                  : writev(fd_.get(), parts.data(), static_cast<int>(parts.size()));
    } while (written < 0 && errno == EINTR);
    if (written >= 0) return count_sent(payload, packets);
    // Anything else means that the device is down or the receiver gone, which is seen elsewhere.
    if (errno != EAGAIN) return drop(packets);
  }
  queue(parts, payload, packets);
}

void Endpoint::transmit_all(std::span<const iovec> frames) {
  while (queue_.empty() && !frames.empty()) {
    const Written written = write_frames(frames);
    for (const iovec& frame : frames.first(written.frames)) count_sent(frame.iov_len);
    frames = frames.subspan(written.frames);
    if (written.refused) {
      drop();
      frames = frames.subspan(1);
    } else if (written.frames == 0) {
      break;
    }
  }
  for (const iovec& frame : frames) queue({&frame, 1}, frame.iov_len, 1);
}

void Endpoint::queue(std::span<const iovec> parts, size_t payload, size_t packets) {
  if (!queue_.push(parts)) return drop(packets);
  count_sent(payload, packets);
  if (queue_.frames() > kLongQueue && flushed_ > kLongQueue / 2) sink_.congested = this;
  if (!writing_) {
    writing_ = true;
    update();
  }
}

void Endpoint::count_sent(size_t payload, size_t packets) {
  asked_ = true;
  counters_.tx_packets += packets;
  counters_.tx_bytes += payload;
}

void Endpoint::transmit_divided(const Frame& frame) {
  Segmenter segments(frame);
  while (const auto segment = segments.next()) {
    if (segment->head.size() + segment->body.size() > kMaxFrame) {
      drop();
      continue;
    }
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
  const Written written = write_frames(frames);
  if (written.refused) drop();
  const size_t taken = written.frames + (written.refused ? 1 : 0);
  queue_.pop(taken);
  flushed_ += taken;
  if (queue_.frames() <= kShortQueue) let_go();
  if (queue_.empty()) {
    writing_ = false;
    update();
  }
}

Endpoint::Written Endpoint::write_frames(std::span<const iovec> frames) {
  Written written;
  for (const iovec& frame : frames) {
    if (write(fd_.get(), frame.iov_base, frame.iov_len) < 0) {
      written.refused = errno != EAGAIN && errno != EINTR;
      break;
    }
    ++written.frames;
  }
  return written;
}

void Endpoint::update() { loop_.change(fd_.get(), events(), *this); }

void Endpoint::mind_pace() {
  const bool dense = pace_.dense(counters_.rx_packets + counters_.tx_packets, loop_.now(), loop_.crowded());
  if (dense == followed_ || stopped()) return;
  followed_ = dense ? loop_.follow(fd_.get(), events(), *this) : !loop_.unfollow(fd_.get(), *this);
}

void Endpoint::yield_to_congestion() {
  if (sink_.congested == nullptr) return;
  Endpoint& receiver = *sink_.congested;
  sink_.congested = nullptr;
  if (&receiver != this && !stopped()) receiver.hold_back(*this);
}

void Endpoint::hold_back(Endpoint& source) {
  if (source.held_back_by_ != nullptr) return;
  flushed_ = 0;
  source.held_back_by_ = this;
  held_back_.push_back(&source);
  source.reading_ = false;
  source.update();
  if (hold_ == 0) {
    hold_ = loop_.after(kLongestHold, [this] {
      hold_ = 0;
      let_go();
    });
  }
}

void Endpoint::let_go() {
  if (hold_ != 0) loop_.cancel(hold_);
  hold_ = 0;
  for (Endpoint* const source : held_back_) {
    source->held_back_by_ = nullptr;
    source->reading_ = true;
    source->update();
  }
  held_back_.clear();
}

const std::string& Endpoint::words() const {
  if (!identity_.description.empty()) return identity_.description;
  return identity_.label.empty() ? identity_.name : identity_.label;
}

void Endpoint::lose(const std::string& reason) { sink_.lost(*this, reason); }

}  // namespace ecdock::vde
