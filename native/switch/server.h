#pragma once

#include "result.h"
#include "switch/background.h"
#include "switch/options.h"

namespace ecdock::vde {

// Runs a switch until it is told to end. An error when it could not be started.
Status serve_switch(Options options, Background& background);

// Connects taps to switches that are there until it is told to end.
Status serve_cables(Options options, Background& background);

}  // namespace ecdock::vde
