#include "switch/console_events.h"

#include "switch/console_text.h"

namespace ecdock::vde {

namespace {

constexpr EventCategory kCategories[] = {
    {"hash/+", 011, "hash: new element"},
    {"hash/-", 012, "hash: discarded element"},
    {"port/+", 021, "new port"},
    {"port/-", 022, "closed port"},
    {"port/descr", 023, "set port description"},
    {"port/ep/+", 031, "new endpoint"},
    {"port/ep/-", 032, "closed endpoint"},
};

std::string endpoint_words(const Endpoint& endpoint) {
  return console_format("Port %02u FD %2d", endpoint.port, endpoint.identity().id);
}

std::string station_words(const ForwardingTable::Entry& entry) {
  const auto byte = [&entry](int shift) { return static_cast<unsigned>(entry.key >> shift & 0xff); };
  return console_format("%02x:%02x:%02x:%02x:%02x:%02x VLAN %02x:%02x Port %u", byte(40), byte(32), byte(24),
                        byte(16), byte(8), byte(0), byte(56), byte(48), entry.port);
}

}  // namespace

std::span<const EventCategory> event_categories() { return kCategories; }

uint32_t categories_below(std::string_view prefix) {
  uint32_t bits = 0;
  for (size_t i = 0; i < std::size(kCategories); ++i) {
    if (std::string_view(kCategories[i].path).starts_with(prefix)) bits |= 1U << i;
  }
  return bits;
}

ConsoleEvents::ConsoleEvents(Switch& target, EventHearer& hearer) : switch_(target), hearer_(hearer) {
  switch_.observe(*this);
}

ConsoleEvents::~ConsoleEvents() { switch_.ignore(*this); }

void ConsoleEvents::tell(const char* path, const std::string& words) {
  for (size_t i = 0; i < std::size(kCategories); ++i) {
    if (std::string_view(kCategories[i].path) != path) continue;
    hearer_.hear(1U << i, console_format("3%03o %s ", kCategories[i].tag, path) + words + "\n");
  }
}

void ConsoleEvents::port_opened(const Port& port, const Endpoint&) {
  tell("port/+", console_format("%02u", port.number));
}

void ConsoleEvents::port_closed(const Port& port, const std::string&) {
  tell("port/-", console_format("%02u", port.number));
}

void ConsoleEvents::endpoint_added(const Endpoint& endpoint) {
  tell("port/ep/+", endpoint_words(endpoint));
  tell("port/descr", endpoint_words(endpoint) + " -> \"" + endpoint.words() + "\"");
}

void ConsoleEvents::endpoint_removed(const Endpoint& endpoint, const std::string&) {
  tell("port/ep/-", endpoint_words(endpoint));
}

// Frames cause these two, so that they cost nothing while nobody listens.
void ConsoleEvents::station_learned(const ForwardingTable::Entry& entry) {
  if (hearer_.wanted_events() != 0) tell("hash/+", station_words(entry));
}

void ConsoleEvents::station_forgotten(const ForwardingTable::Entry& entry) {
  if (hearer_.wanted_events() != 0) tell("hash/-", station_words(entry));
}

}  // namespace ecdock::vde
