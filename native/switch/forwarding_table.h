#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

namespace ecdock::vde {

using PortNumber = uint32_t;

// Which station was last heard on which port. A station that moves is believed at once. Entries that were not
// renewed for the time of ageing are as good as gone. Its memory is bounded: a port that floods the switch
// with addresses drives out its own.
class ForwardingTable {
 public:
  struct Entry {
    uint64_t key = 0;       // the VLAN above the 48 bits of the MAC
    PortNumber port = 0;    // 0xffffffff: nothing is here
    uint32_t heard_at = 0;  // seconds of the caller's clock
  };

  // What became of a frame's source.
  enum class Learned { renewed, added, moved };

  explicit ForwardingTable(size_t capacity = 8192);

  Learned learn(const uint8_t* mac, uint16_t vlan, PortNumber port, uint32_t now);

  // The port of a station, or kNoPort.
  PortNumber find(const uint8_t* mac, uint16_t vlan, uint32_t now) const;

  // What `gone` is called for is not in the table any more when they return.
  using Visit = std::function<void(const Entry&)>;
  void forget_port(
      PortNumber port, const Visit& gone = [](const Entry&) {});
  void forget_vlan(
      uint16_t vlan, const Visit& gone = [](const Entry&) {});
  // Drops what is too old.
  void age(uint32_t now, const Visit& gone);
  void for_each(const Visit& visit) const;

  size_t size() const { return size_; }
  size_t capacity() const { return capacity_; }
  uint32_t ageing() const { return ageing_; }
  void set_ageing(uint32_t seconds) { ageing_ = seconds; }
  // Forgets everything when the capacity changes.
  void set_capacity(size_t capacity);

  static constexpr PortNumber kNoPort = UINT32_MAX;
  static constexpr size_t kMaxCapacity = 1 << 20;

  static uint64_t key_of(const uint8_t* mac, uint16_t vlan);

 private:
  size_t home(uint64_t key) const;
  size_t next(size_t slot) const { return (slot + 1) & (slots_.size() - 1); }
  size_t slot_of(uint64_t key) const;
  void grow();
  void make_room();
  void erase(size_t slot);
  void count(PortNumber port, int change);
  void forget_if(const std::function<bool(const Entry&)>& unwanted, const Visit& gone);

  size_t capacity_;
  size_t size_ = 0;
  uint32_t ageing_ = 300;
  uint64_t samples_ = 0;
  uint64_t secret_;  // so that nobody outside can tell which addresses share a slot
  unsigned shift_ = 0;
  std::vector<Entry> slots_;             // a power of two, at most half full; open addressing, linear probing
  std::vector<uint32_t> count_by_port_;  // only ports up to the highest that was heard
};

}  // namespace ecdock::vde
