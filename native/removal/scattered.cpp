#include "removal/scattered.h"

#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <mutex>
#include <optional>

#include "netlink/socket.h"
#include "netns/network_namespace.h"

namespace ecdock::removal {

namespace {

constexpr size_t kMostThreads = 32;

Result<Outcome> delete_in(const ScatteredLink& one) {
  auto netns = netns::open_namespace(one.netns);
  if (!netns.ok()) {
    const int err = netns.error().err;
    const bool gone = err == ENOENT || err == ENOTDIR || err == ESRCH || err == ENOTTY || err == EINVAL;
    if (gone) return Outcome::kAbsent;
    return netns.error();
  }
  auto socket = [&]() -> Result<netlink::Socket> {
    auto inside = netns::Scope::enter(netns.value());
    if (!inside.ok()) return inside.error();
    return netlink::Socket::open();
  }();
  if (!socket.ok()) return socket.error();
  auto outcome = delete_marked(socket.value(), {one.link});
  if (!outcome.ok()) return outcome.error();
  return outcome.value().front();
}

// What the threads share: each takes the next link until there is none.
struct Work {
  const std::vector<ScatteredLink>& links;
  std::vector<Outcome> outcomes;
  std::atomic<size_t> next{0};
  std::mutex mutex;
  std::optional<Error> failure;

  void run() {
    for (size_t at = next++; at < links.size(); at = next++) {
      auto outcome = delete_in(links[at]);
      if (outcome.ok()) {
        outcomes[at] = outcome.value();
        continue;
      }
      const std::lock_guard lock(mutex);
      if (!failure) failure = outcome.error();
      // The thread could not come back, so what it did next would happen elsewhere.
      if (netns::thread_is_lost()) return;
    }
  }

  static void* begin(void* self) {
    static_cast<Work*>(self)->run();
    return nullptr;
  }
};

}  // namespace

Result<std::vector<Outcome>> delete_scattered(const std::vector<ScatteredLink>& links) {
  Work work{links, std::vector(links.size(), Outcome::kAbsent), {}, {}, {}};
  std::vector<pthread_t> threads;
  // This one takes part.
  for (size_t more = 1; more < std::min(kMostThreads, links.size()); ++more) {
    pthread_t thread;
    if (::pthread_create(&thread, nullptr, &Work::begin, &work) != 0) break;
    threads.push_back(thread);
  }
  work.run();
  for (const pthread_t thread : threads) ::pthread_join(thread, nullptr);
  if (work.failure) return *work.failure;
  return std::move(work.outcomes);
}

}  // namespace ecdock::removal
