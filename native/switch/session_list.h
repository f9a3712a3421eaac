#pragma once

#include <algorithm>
#include <list>
#include <memory>

#include "switch/event_loop.h"

namespace ecdock::vde {

// The sessions of a server, by age. One may end while they are gone through, if the next one is looked up
// before it is told.
template <typename Session>
class SessionList {
 public:
  explicit SessionList(EventLoop& loop) : loop_(loop) {}

  Session& add(std::unique_ptr<Session> session) {
    sessions_.push_back(std::move(session));
    return *sessions_.back();
  }

  // It is destroyed when those that are being told have returned, which may be itself.
  void forget(Session& session) {
    const auto found = std::find_if(sessions_.begin(), sessions_.end(),
                                    [&session](const auto& other) { return other.get() == &session; });
    if (found == sessions_.end()) return;
    loop_.retire(std::move(*found));
    sessions_.erase(found);
  }

  Session* find(uint64_t id) const {
    const auto found = std::find_if(sessions_.begin(), sessions_.end(),
                                    [id](const auto& other) { return other->id() == id; });
    return found == sessions_.end() ? nullptr : found->get();
  }

  bool empty() const { return sessions_.empty(); }
  size_t size() const { return sessions_.size(); }
  Session& front() const { return *sessions_.front(); }
  auto begin() const { return sessions_.begin(); }
  auto end() const { return sessions_.end(); }

 private:
  EventLoop& loop_;
  std::list<std::unique_ptr<Session>> sessions_;
};

}  // namespace ecdock::vde
