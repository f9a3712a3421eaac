#pragma once

namespace ecdock::vde {

// As package.json has it: the build says so.
#ifndef ECDOCK_VERSION
#define ECDOCK_VERSION "unknown"
#endif
inline constexpr char kVersion[] = ECDOCK_VERSION;

}  // namespace ecdock::vde
