#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <span>
#include <vector>

namespace ecdock::vde {

// Frames that wait until their receiver has room, in order. An empty queue holds no memory; a full one takes
// no more frames.
class TransmitQueue {
 public:
  explicit TransmitQueue(size_t limit = kDefaultLimit) : limit_(limit) {}

  // A copy of the parts, one after the other, as one frame; false when it does not fit any more.
  bool push(std::span<const iovec> parts);

  // The first frames, at most `most`; they stay where they are until pop().
  void front(std::vector<iovec>& frames, size_t most) const;
  void pop(size_t frames);

  bool empty() const { return frames_ == 0; }
  size_t frames() const { return frames_; }
  size_t bytes() const { return bytes_; }

  static constexpr size_t kDefaultLimit = 1 << 20;

 private:
  struct Block {
    std::unique_ptr<uint8_t[]> data;
    size_t size = 0;
    size_t begin = 0;
    size_t end = 0;
  };

  size_t limit_;
  size_t frames_ = 0;
  size_t bytes_ = 0;      // of frames
  size_t allocated_ = 0;  // of blocks
  std::list<Block> blocks_;
};

}  // namespace ecdock::vde
