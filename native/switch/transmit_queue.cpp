#include "switch/transmit_queue.h"

#include <algorithm>
#include <cstring>

namespace ecdock::vde {

namespace {

using Length = uint32_t;
constexpr size_t kBlock = 32 * 1024;

}  // namespace

bool TransmitQueue::push(std::span<const iovec> parts) {
  size_t size = 0;
  for (const iovec& part : parts) size += part.iov_len;
  const size_t needed = sizeof(Length) + size;
  if (blocks_.empty() || blocks_.back().size - blocks_.back().end < needed) {
    const size_t block = std::max(kBlock, needed);
    if (allocated_ + block > limit_) return false;
    blocks_.push_back(Block{std::make_unique_for_overwrite<uint8_t[]>(block), block, 0, 0});
    allocated_ += block;
  }
  Block& block = blocks_.back();
  const auto length = static_cast<Length>(size);
  std::memcpy(block.data.get() + block.end, &length, sizeof length);
  block.end += sizeof length;
  for (const iovec& part : parts) {
    std::memcpy(block.data.get() + block.end, part.iov_base, part.iov_len);
    block.end += part.iov_len;
  }
  ++frames_;
  bytes_ += size;
  return true;
}

void TransmitQueue::front(std::vector<iovec>& frames, size_t most) const {
  frames.clear();
  for (const Block& block : blocks_) {
    for (size_t at = block.begin; at < block.end && frames.size() < most;) {
      Length length = 0;
      std::memcpy(&length, block.data.get() + at, sizeof length);
      frames.push_back(iovec{block.data.get() + at + sizeof length, length});
      at += sizeof length + length;
    }
    if (frames.size() == most) return;
  }
}

void TransmitQueue::pop(size_t frames) {
  for (; frames > 0 && frames_ > 0; --frames) {
    Block& block = blocks_.front();
    Length length = 0;
    std::memcpy(&length, block.data.get() + block.begin, sizeof length);
    block.begin += sizeof length + length;
    --frames_;
    bytes_ -= length;
    if (block.begin == block.end) {
      allocated_ -= block.size;
      blocks_.pop_front();
    }
  }
}

}  // namespace ecdock::vde
