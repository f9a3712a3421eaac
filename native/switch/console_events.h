#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "switch/switch.h"

namespace ecdock::vde {

// What `debug/add` lets a console hear of, with vde_switch's categories and numbers.
struct EventCategory {
  const char* path;
  unsigned tag;  // octal digits of the line's number, behind a 3
  const char* help;
};

std::span<const EventCategory> event_categories();

// A bit for each category whose path begins with `prefix`.
uint32_t categories_below(std::string_view prefix);

// Who hears of events: one line, with its category's bit.
class EventHearer {
 public:
  virtual ~EventHearer() = default;
  virtual uint32_t wanted_events() const = 0;  // of all that listen
  virtual void hear(uint32_t category, const std::string& line) = 0;
};

// Puts into words what happens on a switch.
class ConsoleEvents : public SwitchObserver {
 public:
  ConsoleEvents(Switch& target, EventHearer& hearer);
  ~ConsoleEvents() override;

  void port_opened(const Port& port, const Endpoint& endpoint) override;
  void port_closed(const Port& port, const std::string& reason) override;
  void endpoint_added(const Endpoint& endpoint) override;
  void endpoint_removed(const Endpoint& endpoint, const std::string& reason) override;
  void station_learned(const ForwardingTable::Entry& entry) override;
  void station_forgotten(const ForwardingTable::Entry& entry) override;

 private:
  void tell(const char* path, const std::string& words);

  Switch& switch_;
  EventHearer& hearer_;
};

}  // namespace ecdock::vde
