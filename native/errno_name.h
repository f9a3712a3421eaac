#pragma once

#include <string>
#include <string_view>

namespace ecdock {

// The name of an errno, such as EEXIST, by which the TypeScript side tells errors apart; "errno 1234" for a
// number without one. A table of our own: glibc has strerrorname_np only since 2.32, and other C libraries
// have nothing like it.
std::string errno_name(int err);

// The errno of this name; 0 when there is none.
int errno_number(std::string_view name);

}  // namespace ecdock
