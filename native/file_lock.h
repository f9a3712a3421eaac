#pragma once

#include "result.h"

namespace ecdock {

// Takes the lock of flock(2) on an open file or directory, without waiting; false when somebody else has it.
// It is let go of when the descriptor is closed, so also by the end of its process, however that comes about.
Result<bool> try_lock(int descriptor);

}  // namespace ecdock
