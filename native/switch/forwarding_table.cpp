#include "switch/forwarding_table.h"

#include <sys/random.h>

#include <algorithm>
#include <bit>

namespace ecdock::vde {

namespace {

constexpr size_t kFirstSlots = 64;
constexpr size_t kSample = 16;

uint64_t random_odd() {
  uint64_t value = 0x9e3779b97f4a7c15;
  if (getrandom(&value, sizeof value, GRND_NONBLOCK) < 0) value ^= reinterpret_cast<uintptr_t>(&value);
  return value | 1;
}

}  // namespace

ForwardingTable::ForwardingTable(size_t capacity) : secret_(random_odd()) { set_capacity(capacity); }

void ForwardingTable::set_capacity(size_t capacity) {
  capacity_ = std::clamp<size_t>(capacity, 1, kMaxCapacity);
  size_ = 0;
  count_by_port_.clear();
  slots_.assign(kFirstSlots, Entry{0, kNoPort, 0});
  shift_ = 64 - std::countr_zero(kFirstSlots);
}

uint64_t ForwardingTable::key_of(const uint8_t* mac, uint16_t vlan) {
  uint64_t key = vlan;
  for (int i = 0; i < 6; ++i) key = key << 8 | mac[i];
  return key;
}

// Addresses that are counted up, as makers of cards and we do it, must not end up side by side.
size_t ForwardingTable::home(uint64_t key) const {
  // As SplitMix64 mixes.
  uint64_t mixed = key ^ secret_;
  mixed = (mixed ^ mixed >> 30) * 0xbf58476d1ce4e5b9;
  mixed = (mixed ^ mixed >> 27) * 0x94d049bb133111eb;
  mixed ^= mixed >> 31;
  return mixed >> shift_;
}

// Where the key is, or else the free slot where it belongs.
size_t ForwardingTable::slot_of(uint64_t key) const {
  size_t slot = home(key);
  while (slots_[slot].port != kNoPort && slots_[slot].key != key) slot = next(slot);
  return slot;
}

ForwardingTable::Learned ForwardingTable::learn(const uint8_t* mac, uint16_t vlan, PortNumber port,
                                                uint32_t now) {
  const uint64_t key = key_of(mac, vlan);
  size_t slot = slot_of(key);
  if (slots_[slot].port != kNoPort) {
    Entry& known = slots_[slot];
    known.heard_at = now;
    if (known.port == port) return Learned::renewed;
    count(known.port, -1);
    count(port, 1);
    known.port = port;
    return Learned::moved;
  }
  if (size_ == capacity_) {
    make_room();
    slot = slot_of(key);
  } else if ((size_ + 1) * 2 > slots_.size()) {
    grow();
    slot = slot_of(key);
  }
  slots_[slot] = Entry{key, port, now};
  ++size_;
  count(port, 1);
  return Learned::added;
}

PortNumber ForwardingTable::find(const uint8_t* mac, uint16_t vlan, uint32_t now) const {
  const Entry& entry = slots_[slot_of(key_of(mac, vlan))];
  return entry.port != kNoPort && now - entry.heard_at <= ageing_ ? entry.port : kNoPort;
}

void ForwardingTable::grow() {
  std::vector<Entry> old(slots_.size() * 2, Entry{0, kNoPort, 0});
  old.swap(slots_);
  --shift_;
  for (const Entry& entry : old) {
    if (entry.port != kNoPort) slots_[slot_of(entry.key)] = entry;
  }
}

// Of some entries, from all over the table, the one goes whose port has most of all, and of those the
// one not heard for longest.
void ForwardingTable::make_room() {
  size_t victim = slots_.size();
  size_t seen = 0;
  while (seen < std::min(kSample, size_)) {
    const size_t slot = home(++samples_);
    if (slots_[slot].port == kNoPort) continue;
    ++seen;
    if (victim == slots_.size()) {
      victim = slot;
      continue;
    }
    const uint32_t mine = count_by_port_[slots_[slot].port];
    const uint32_t most = count_by_port_[slots_[victim].port];
    if (mine > most || (mine == most && slots_[slot].heard_at < slots_[victim].heard_at)) victim = slot;
  }
  erase(victim);
}

// Entries that were pushed on by this one move back, so that no marks of deletion are needed.
void ForwardingTable::erase(size_t slot) {
  count(slots_[slot].port, -1);
  --size_;
  for (size_t from = next(slot); slots_[from].port != kNoPort; from = next(from)) {
    const size_t wanted = home(slots_[from].key);
    const size_t mask = slots_.size() - 1;
    if (((from - wanted) & mask) >= ((from - slot) & mask)) {
      slots_[slot] = slots_[from];
      slot = from;
    }
  }
  slots_[slot].port = kNoPort;
}

void ForwardingTable::count(PortNumber port, int change) {
  if (port >= count_by_port_.size()) count_by_port_.resize(port + 1, 0);
  count_by_port_[port] += static_cast<uint32_t>(change);
}

void ForwardingTable::forget_if(const std::function<bool(const Entry&)>& unwanted, const Visit& gone) {
  if (size_ == 0) return;
  std::vector<Entry> kept;
  for (const Entry& entry : slots_) {
    if (entry.port == kNoPort) continue;
    if (unwanted(entry)) {
      gone(entry);
    } else {
      kept.push_back(entry);
    }
  }
  if (kept.size() == size_) return;
  std::fill(slots_.begin(), slots_.end(), Entry{0, kNoPort, 0});
  std::fill(count_by_port_.begin(), count_by_port_.end(), 0);
  size_ = kept.size();
  for (const Entry& entry : kept) {
    slots_[slot_of(entry.key)] = entry;
    count(entry.port, 1);
  }
}

void ForwardingTable::forget_port(PortNumber port, const Visit& gone) {
  if (port >= count_by_port_.size() || count_by_port_[port] == 0) return;
  forget_if([port](const Entry& entry) { return entry.port == port; }, gone);
}

void ForwardingTable::forget_vlan(uint16_t vlan, const Visit& gone) {
  forget_if([vlan](const Entry& entry) { return entry.key >> 48 == vlan; }, gone);
}

void ForwardingTable::age(uint32_t now, const Visit& gone) {
  forget_if([&](const Entry& entry) { return now - entry.heard_at > ageing_; }, gone);
}

void ForwardingTable::for_each(const Visit& visit) const {
  for (const Entry& entry : slots_) {
    if (entry.port != kNoPort) visit(entry);
  }
}

}  // namespace ecdock::vde
