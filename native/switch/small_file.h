#pragma once

#include <string>

#include "result.h"

namespace ecdock::vde {

// The text of a file of at most a mebibyte. EFBIG when it is larger.
Result<std::string> read_small_file(const std::string& path);

}  // namespace ecdock::vde
