#pragma once

#include <functional>

#include "switch/control_target.h"
#include "switch/slow_thread.h"
#include "switch/tap_endpoint.h"

namespace ecdock::vde {

// Makes a tap of the descriptor that came with a request, on the other thread; `done` is called on the
// loop's.
using TakenOver = std::function<void(const TapRequest& request, Result<Tap> tap)>;
void take_over_tap(SlowThread& slow, TapRequest request, Fd fd, bool offload, TakenOver done);

// How the endpoint of a tap that was taken over is told from others.
Identity identity_of(const TapRequest& request, const Tap& tap, Identity::Kind kind);

}  // namespace ecdock::vde
