#pragma once

#include "result.h"
#include "switch/background.h"
#include "switch/options.h"

namespace ecdock::vde {

// Runs a switch until it is told to end. An error when it could not be started.
Status serve_switch(Options options, Background& background);

// Writes "ready\n" to the descriptor and closes it; nothing when it is -1.
void tell_ready(int fd);

}  // namespace ecdock::vde
