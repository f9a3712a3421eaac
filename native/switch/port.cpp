#include "switch/port.h"

#include <algorithm>

namespace ecdock::vde {

bool Port::admits(const Caller& caller) const {
  if ((!allowed_user && !allowed_group) || caller.uid == 0 || allowed_user == caller.uid) return true;
  return allowed_group && std::count(caller.groups.begin(), caller.groups.end(), *allowed_group) > 0;
}

Counters Port::counters() const {
  Counters sum = past;
  for (const auto& endpoint : endpoints) sum += endpoint->counters();
  return sum;
}

}  // namespace ecdock::vde
