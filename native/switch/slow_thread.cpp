#include "switch/slow_thread.h"

#include <sys/eventfd.h>

#include <cerrno>

namespace ecdock::vde {

namespace {

constexpr size_t kStack = 64 * 1024;

}  // namespace

Result<std::unique_ptr<SlowThread>> SlowThread::start(EventLoop& loop) {
  Fd wake(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake.valid()) return Error::from_errno("eventfd", errno);
  auto self = std::unique_ptr<SlowThread>(new SlowThread(loop, std::move(wake)));
  const Status added = loop.add(self->wake_.get(), EPOLLIN, *self);
  if (!added.ok()) return added.error();
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, kStack);
  pthread_t thread{};
  int err = pthread_create(&thread, &attributes, begin, self.get());
  // Within a larger program thread-local storage alone may take as much.
  if (err == EINVAL) err = pthread_create(&thread, nullptr, begin, self.get());
  pthread_attr_destroy(&attributes);
  if (err != 0) return Error::from_errno("pthread_create", err);
  self->thread_ = thread;
  return self;
}

SlowThread::~SlowThread() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_one();
  if (thread_) pthread_join(*thread_, nullptr);
  loop_.remove(wake_.get(), *this);
}

void SlowThread::run(std::function<void()> work, std::function<void()> done) {
  {
    const std::lock_guard lock(mutex_);
    jobs_.push_back(Job{std::move(work), std::move(done)});
  }
  changed_.notify_one();
}

void SlowThread::close(Fd fd, std::function<void()> closed) {
  // A std::function can be copied, and an Fd cannot.
  run([held = std::make_shared<Fd>(std::move(fd))] { held->reset(); }, std::move(closed));
}

void* SlowThread::begin(void* self) {
  static_cast<SlowThread*>(self)->work();
  return nullptr;
}

void SlowThread::work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return stopping_ || !jobs_.empty(); });
    if (jobs_.empty()) return;
    Job job = std::move(jobs_.front());
    jobs_.pop_front();
    lock.unlock();
    job.work();
    lock.lock();
    done_.push_back(std::move(job.done));
    eventfd_write(wake_.get(), 1);
  }
}

void SlowThread::on_ready(uint32_t) {
  eventfd_t count = 0;
  eventfd_read(wake_.get(), &count);
  std::deque<std::function<void()>> done;
  {
    const std::lock_guard lock(mutex_);
    done.swap(done_);
  }
  for (const auto& call : done) call();
}

}  // namespace ecdock::vde
