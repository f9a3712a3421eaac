#pragma once

#include <string>

#include "fd.h"
#include "result.h"

namespace ecdock::tap {

enum class Existing {
  kRefused,   // EBUSY when the name is taken
  kRequired,  // ENODEV when there is no tap of that name
};

// Opens a tap in the calling thread's namespace (Documentation/networking/tuntap.rst): frames without packet
// information, each with a virtio header before it, which whoever reads them has to ask the kernel about
// (TUNGETIFF). The tap is made persistent: it outlives the descriptor, and is removed as any link is.
Result<Fd> open_tap(const std::string& name, Existing existing);

}  // namespace ecdock::tap
