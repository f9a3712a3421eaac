#include "datagram/inbox.h"

#include <utility>

namespace ecdock::datagram {

bool Inbox::put(std::span<const uint8_t> datagram) {
  const std::lock_guard lock(mutex_);
  const bool full =
      batch_.lengths.size() >= limits_.datagrams || batch_.bytes.size() + datagram.size() > limits_.bytes;
  if (full) {
    ++dropped_;
    return false;
  }
  batch_.bytes.insert(batch_.bytes.end(), datagram.begin(), datagram.end());
  batch_.lengths.push_back(static_cast<uint32_t>(datagram.size()));
  return true;
}

void Inbox::count_dropped() {
  const std::lock_guard lock(mutex_);
  ++dropped_;
}

Batch Inbox::take() {
  const std::lock_guard lock(mutex_);
  return std::exchange(batch_, {});
}

uint64_t Inbox::dropped() const {
  const std::lock_guard lock(mutex_);
  return dropped_;
}

}  // namespace ecdock::datagram
