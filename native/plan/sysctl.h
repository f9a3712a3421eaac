#pragma once

#include <string>

#include "result.h"

namespace ecdock::plan {

// Writes /proc/sys/net/KEY of the calling thread's namespace and answers what stood there before. A key that
// could lead out of that directory is refused with EINVAL.
Result<std::string> write_sysctl(const std::string& key, const std::string& value);

}  // namespace ecdock::plan
