#include "switch/usher.h"

#include <fcntl.h>
#include <syslog.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "switch/log.h"
#include "switch/usher_message.h"
#include "switch/usher_process.h"

namespace ecdock::vde {

namespace {

constexpr timeval kPatienceAtStart{5, 0};

}  // namespace

Result<std::unique_ptr<Usher>> Usher::start(EventLoop& loop) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0) {
    return Error::from_errno("socketpair", errno);
  }
  Fd ours(ends[0]);
  Fd theirs(ends[1]);
  setsockopt(ours.get(), SOL_SOCKET, SO_RCVTIMEO, &kPatienceAtStart, sizeof kPatienceAtStart);
  const pid_t parent = getpid();
  const pid_t child = fork();
  if (child < 0) return Error::from_errno("fork", errno);
  if (child == 0) usher_process(theirs.get(), parent);
  theirs.reset();
  const auto ready = receive_reply(ours.get());
  if (!ready.ok()) return ready.error();
  if (fcntl(ours.get(), F_SETFL, O_NONBLOCK) < 0) return Error::from_errno("fcntl", errno);
  auto usher = std::unique_ptr<Usher>(new Usher(loop, std::move(ours)));
  const Status added = loop.add(usher->socket_.get(), EPOLLIN, *usher);
  if (!added.ok()) return added.error();
  return usher;
}

Usher::~Usher() {
  for (const auto& [id, waiting] : waiting_) loop_.cancel(waiting.patience);
  if (socket_.valid()) loop_.remove(socket_.get(), *this);
}

void Usher::connect(const std::string& path, const ucred& client, const std::vector<gid_t>& groups,
                    Answer answer) {
  const auto refuse = [&](int err) { answer(Error::from_errno("ask the usher for " + path, err)); };
  if (!socket_.valid()) return refuse(EPIPE);
  if (waiting_.size() == kMostWaiting) return refuse(EBUSY);
  UsherQuestion question{};
  question.id = ++last_id_;
  question.client = client;
  question.group_count = static_cast<uint32_t>(std::min(groups.size(), UsherQuestion::kMostGroups));
  std::copy_n(groups.begin(), question.group_count, question.groups);
  question.path_size = static_cast<uint32_t>(path.copy(question.path, sizeof question.path));
  if (send(socket_.get(), &question, sizeof question, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
    return refuse(errno == EAGAIN ? EBUSY : errno);
  }
  const uint64_t id = question.id;
  const auto patience = loop_.after(kPatience, [this, id] { settle(id, ETIMEDOUT, Fd()); });
  waiting_.emplace(id, Waiting{path, std::move(answer), patience});
}

void Usher::on_ready(uint32_t) {
  auto received = receive_reply(socket_.get());
  if (received.ok()) {
    const UsherReply& reply = received.value().reply;
    if (reply.id == 0) log_line(LOG_WARNING, "the usher had ended, and another one has taken its place");
    return settle(reply.id, reply.err, std::move(received.value().fd));
  }
  if (received.error().err != EAGAIN) ended();
}

// One that came too late has nobody who waits for it, and is closed.
void Usher::settle(uint64_t id, int err, Fd fd) {
  auto node = waiting_.extract(id);
  if (node.empty()) return;
  Waiting& waiting = node.mapped();
  loop_.cancel(waiting.patience);
  if (err == 0 && fd.valid()) return waiting.answer(std::move(fd));
  waiting.answer(
      Error::from_errno("connect to the client's socket " + waiting.path, err == 0 ? EPROTO : err));
}

void Usher::ended() {
  log_line(LOG_ERR,
           "the usher has ended with who watched over it: clients of other users cannot plug in until the "
           "switch is started anew");
  loop_.remove(socket_.get(), *this);
  socket_.reset();
  while (!waiting_.empty()) settle(waiting_.begin()->first, EPIPE, Fd());
}

}  // namespace ecdock::vde
