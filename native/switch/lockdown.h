#pragma once

#include "result.h"

namespace ecdock::vde {

// What the process gives up once its sockets listen. It then parses frames and requests of people that nobody
// trusts.

// All capabilities, of all sets, for good; no program that it could start would get any back. To be called
// before there are threads.
Status drop_privileges();

// From here on all threads have only the system calls that a switch needs; others fail with EPERM, and those
// with which one could break out of anything end the process. False when the kernel has no such filters.
Result<bool> allow_only_needed_calls();

}  // namespace ecdock::vde
