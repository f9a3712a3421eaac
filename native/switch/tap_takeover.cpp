#include "switch/tap_takeover.h"

#include <memory>

namespace ecdock::vde {

void take_over_tap(SlowThread& slow, TapRequest request, Fd fd, bool offload, TakenOver done) {
  struct Work {
    TapRequest request;
    Fd fd;
    Result<Tap> tap = Error{};
  };
  const auto work = std::make_shared<Work>();
  work->request = std::move(request);
  work->fd = std::move(fd);
  slow.run([work, offload] { work->tap = Tap::adopt(std::move(work->fd), offload); },
           [work, done = std::move(done)] { done(work->request, std::move(work->tap)); });
}

Identity identity_of(const TapRequest& request, const Tap& tap, Identity::Kind kind) {
  Identity identity;
  identity.kind = kind;
  identity.name = request.name;
  identity.label = request.label;
  identity.id = tap.fd.get();
  return identity;
}

}  // namespace ecdock::vde
