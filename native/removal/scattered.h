#pragma once

#include <string>
#include <vector>

#include "removal/removal.h"

namespace ecdock::removal {

// A link that may be deleted only when its alias begins with `mark`, in a namespace of its own.
struct ScatteredLink {
  std::string netns;
  MarkedLink link;
};

// Deletes links in many namespaces. No group spans two of them, so the kernel waits for each link; but most
// of that wait is outside of its lock, so that many threads, which end with this, wait at the same time: 32
// of them are ten times as fast as one. One outcome for each link, in order; a namespace that is not there
// (any more) makes it absent. All are tried; then the first error is told.
Result<std::vector<Outcome>> delete_scattered(const std::vector<ScatteredLink>& links);

}  // namespace ecdock::removal
