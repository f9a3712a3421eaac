#include "switch/forwarding_table.h"

#include <doctest/doctest.h>

#include <array>
#include <map>
#include <random>

using namespace ecdock::vde;
using Learned = ForwardingTable::Learned;

namespace {

std::array<uint8_t, 6> mac(uint32_t number) {
  return {2,
          0,
          static_cast<uint8_t>(number >> 24),
          static_cast<uint8_t>(number >> 16),
          static_cast<uint8_t>(number >> 8),
          static_cast<uint8_t>(number)};
}

}  // namespace

TEST_CASE("a station is found where it was heard, and moves at once") {
  ForwardingTable table;
  CHECK(table.find(mac(1).data(), 0, 0) == ForwardingTable::kNoPort);
  CHECK(table.learn(mac(1).data(), 0, 3, 0) == Learned::added);
  CHECK(table.learn(mac(1).data(), 0, 3, 0) == Learned::renewed);
  CHECK(table.find(mac(1).data(), 0, 0) == 3);
  CHECK(table.learn(mac(1).data(), 0, 4, 0) == Learned::moved);
  CHECK(table.find(mac(1).data(), 0, 0) == 4);
  CHECK(table.size() == 1);
}

TEST_CASE("the same address in another VLAN is another station") {
  ForwardingTable table;
  table.learn(mac(1).data(), 0, 3, 0);
  table.learn(mac(1).data(), 5, 4, 0);
  CHECK(table.find(mac(1).data(), 0, 0) == 3);
  CHECK(table.find(mac(1).data(), 5, 0) == 4);
  table.forget_vlan(5);
  CHECK(table.find(mac(1).data(), 5, 0) == ForwardingTable::kNoPort);
  CHECK(table.find(mac(1).data(), 0, 0) == 3);
}

TEST_CASE("who was silent for longer than the time of ageing is not known any more") {
  ForwardingTable table;
  table.set_ageing(300);
  table.learn(mac(1).data(), 0, 3, 1000);
  table.learn(mac(2).data(), 0, 3, 1200);
  CHECK(table.find(mac(1).data(), 0, 1300) == 3);
  CHECK(table.find(mac(1).data(), 0, 1301) == ForwardingTable::kNoPort);
  int gone = 0;
  table.age(1301, [&gone](const auto&) { ++gone; });
  CHECK(gone == 1);
  CHECK(table.size() == 1);
  CHECK(table.find(mac(2).data(), 0, 1301) == 3);
}

TEST_CASE("a port that goes takes its stations with it") {
  ForwardingTable table;
  for (uint32_t i = 0; i < 1000; ++i) table.learn(mac(i).data(), 0, i % 2, 0);
  table.forget_port(1);
  CHECK(table.size() == 500);
  for (uint32_t i = 0; i < 1000; ++i) {
    CHECK(table.find(mac(i).data(), 0, 0) == (i % 2 == 0 ? 0 : ForwardingTable::kNoPort));
  }
}

TEST_CASE("a port that floods the table with addresses drives out its own only") {
  ForwardingTable table(1024);
  for (uint32_t i = 0; i < 100; ++i) table.learn(mac(i).data(), 0, 1 + i % 10, 0);
  for (uint32_t i = 1000; i < 100'000; ++i) table.learn(mac(i).data(), 0, 99, 0);
  CHECK(table.size() == 1024);
  for (uint32_t i = 0; i < 100; ++i) CHECK(table.find(mac(i).data(), 0, 0) == 1 + i % 10);
}

TEST_CASE("the table does what a map does") {
  ForwardingTable table(2000);
  std::map<uint32_t, PortNumber> map;
  std::mt19937 random(4);
  for (int round = 0; round < 50'000; ++round) {
    const uint32_t station = random() % 1500;
    const PortNumber port = random() % 20;
    if (random() % 500 == 0) {
      table.forget_port(port);
      std::erase_if(map, [port](const auto& entry) { return entry.second == port; });
    } else {
      const auto known = map.find(station);
      const Learned expected = known == map.end()      ? Learned::added
                               : known->second == port ? Learned::renewed
                                                       : Learned::moved;
      CHECK(table.learn(mac(station).data(), 0, port, 0) == expected);
      map[station] = port;
    }
    const uint32_t other = random() % 1500;
    const auto there = map.find(other);
    CHECK(table.find(mac(other).data(), 0, 0) ==
          (there == map.end() ? ForwardingTable::kNoPort : there->second));
    CHECK(table.size() == map.size());
  }
}
