#include "datagram/reader.h"

#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <utility>

namespace ecdock::datagram {

namespace {

constexpr size_t kBatch = 32;  // datagrams that one system call receives
constexpr int kEvents = 64;
constexpr Id kWake = 0;

epoll_event event(Id id, uint32_t events) {
  epoll_event wanted{};
  wanted.events = events;
  wanted.data.u32 = id;
  return wanted;
}

}  // namespace

Status Reader::start() {
  if (thread_) return Done{};
  const char* op = "datagram reader";
  epoll_ = Fd(::epoll_create1(EPOLL_CLOEXEC));
  wake_ = Fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!epoll_.valid() || !wake_.valid()) return Error::from_errno(op, errno);
  auto wanted = event(kWake, EPOLLIN);
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, wake_.get(), &wanted) != 0) {
    return Error::from_errno(op, errno);
  }
  space_.resize(kBatch * kMaxDatagram);
  pthread_t thread;
  // Not std::thread, which throws when there is no room for another one.
  if (const int err = ::pthread_create(&thread, nullptr, &Reader::begin, this); err != 0) {
    return Error::from_errno(op, err);
  }
  thread_ = thread;
  return Done{};
}

void Reader::stop() {
  if (!thread_) return;
  const uint64_t one = 1;
  (void)!::write(wake_.get(), &one, sizeof one);
  ::pthread_join(*std::exchange(thread_, std::nullopt), nullptr);
  const std::lock_guard lock(mutex_);
  channels_.clear();
  epoll_.reset();
  wake_.reset();
  space_ = {};
}

Result<std::shared_ptr<Channel>> Reader::add(Socket socket, Limits limits) {
  if (auto started = start(); !started.ok()) return started.error();
  const std::lock_guard lock(mutex_);
  auto channel = std::make_shared<Channel>(++last_, std::move(socket), limits);
  auto wanted = event(channel->id, EPOLLIN);
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, channel->socket.fd(), &wanted) != 0) {
    return Error::from_errno("datagram reader", errno);
  }
  channels_.emplace(channel->id, channel);
  return channel;
}

void Reader::remove(const std::shared_ptr<Channel>& channel) {
  bool empty = false;
  {
    const std::lock_guard lock(mutex_);
    if (channels_.erase(channel->id) == 0) return;
    (void)::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, channel->socket.fd(), nullptr);
    empty = channels_.empty();
  }
  if (empty) stop();
}

Batch Reader::take(Channel& channel) {
  // First: what comes after this is told of again.
  channel.told_ = false;
  return channel.inbox.take();
}

Status Reader::await_writable(Channel& channel) {
  const std::lock_guard lock(mutex_);
  channel.awaits_writable_ = true;
  auto wanted = event(channel.id, EPOLLIN | EPOLLOUT);
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, channel.socket.fd(), &wanted) != 0) {
    return Error::from_errno("datagram reader", errno);
  }
  return Done{};
}

std::shared_ptr<Channel> Reader::find(Id id) {
  const std::lock_guard lock(mutex_);
  const auto found = channels_.find(id);
  return found == channels_.end() ? nullptr : found->second;
}

void* Reader::begin(void* self) {
  static_cast<Reader*>(self)->run();
  return nullptr;
}

void Reader::run() {
  // Signals belong to Node's main thread.
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, nullptr);
  std::array<epoll_event, kEvents> events;
  for (;;) {
    const int count = ::epoll_wait(epoll_.get(), events.data(), kEvents, -1);
    if (count < 0 && errno != EINTR) return;
    for (int i = 0; i < count; ++i) {
      if (events[i].data.u32 == kWake) return;
      if (const auto channel = find(events[i].data.u32)) serve(channel, events[i].events);
    }
  }
}

void Reader::serve(const std::shared_ptr<Channel>& channel, uint32_t events) {
  bool tell = false;
  if ((events & (EPOLLIN | EPOLLERR | EPOLLHUP)) != 0)
    tell = receive(*channel) && !channel->told_.exchange(true);
  if ((events & EPOLLOUT) != 0) {
    const std::lock_guard lock(mutex_);
    auto wanted = event(channel->id, EPOLLIN);
    (void)::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, channel->socket.fd(), &wanted);
    tell = std::exchange(channel->awaits_writable_, false) || tell;
  }
  if (tell) ready_(channel->id);
}

// Whether there is something to take now.
bool Reader::receive(Channel& channel) {
  std::array<mmsghdr, kBatch> messages{};
  std::array<iovec, kBatch> parts;
  for (size_t i = 0; i < kBatch; ++i) {
    parts[i] = {space_.data() + i * kMaxDatagram, kMaxDatagram};
    messages[i].msg_hdr.msg_iov = &parts[i];
    messages[i].msg_hdr.msg_iovlen = 1;
  }
  const int count = ::recvmmsg(channel.socket.fd(), messages.data(), kBatch, MSG_DONTWAIT, nullptr);
  if (count < 0) {
    if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) return false;
    fail(channel, errno);
    return true;
  }
  bool kept = false;
  for (int i = 0; i < count; ++i) {
    if ((messages[i].msg_hdr.msg_flags & MSG_TRUNC) != 0) {
      channel.inbox.count_dropped();
      continue;
    }
    const auto* start = static_cast<const uint8_t*>(parts[i].iov_base);
    kept = channel.inbox.put({start, messages[i].msg_len}) || kept;
  }
  return kept;
}

void Reader::fail(Channel& channel, int err) {
  channel.failure_ = err;
  (void)::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, channel.socket.fd(), nullptr);
}

}  // namespace ecdock::datagram
