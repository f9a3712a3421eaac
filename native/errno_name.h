#pragma once

#include <string>

namespace ecdock {

// The name of an errno, such as EEXIST, by which the TypeScript side tells errors apart; "errno 1234" for a
// number without one. A table of our own: glibc has strerrorname_np only since 2.32, and other C libraries
// have nothing like it.
std::string errno_name(int err);

}  // namespace ecdock
