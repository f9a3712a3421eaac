#include "switch/usher.h"

#include <grp.h>
#include <linux/capability.h>
#include <signal.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "switch/client_socket.h"
#include "switch/unix_socket.h"

namespace ecdock::vde {

namespace {

constexpr size_t kMostGroups = 128;
constexpr timeval kPatience{1, 0};

struct Question {
  uint64_t id;
  ucred client;
  uint32_t group_count;
  gid_t groups[kMostGroups];
  uint32_t path_size;
  char path[sizeof(sockaddr_un::sun_path)];
};

struct Reply {
  uint64_t id;
  int err;
};

constexpr size_t kControl = CMSG_SPACE(sizeof(int));

void send_reply(int socket, Reply reply, int fd) {
  iovec part{&reply, sizeof reply};
  alignas(cmsghdr) char control[kControl] = {};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (fd >= 0) {
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    cmsghdr* const header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof fd);
    std::memcpy(CMSG_DATA(header), &fd, sizeof fd);
  }
  sendmsg(socket, &message, MSG_NOSIGNAL);
}

void answer(int socket, const Question& question) {
  const size_t groups = std::min<size_t>(question.group_count, kMostGroups);
  const std::string path(question.path, std::min<size_t>(question.path_size, sizeof question.path));
  // The kernel takes the capabilities that concern files away with it.
  if (question.client.uid == 0 || setgroups(groups, question.groups) < 0) {
    return send_reply(socket, {question.id, EPERM}, -1);
  }
  setfsgid(question.client.gid);
  setfsuid(question.client.uid);
  const bool became = setfsuid(static_cast<uid_t>(-1)) == static_cast<int>(question.client.uid);
  const auto connected =
      became ? connect_to_client(path, question.client) : Result<Fd>(Error::from_errno("setfsuid", EPERM));
  setfsuid(0);
  setfsgid(0);
  send_reply(socket, {question.id, connected.ok() ? 0 : connected.error().err},
             connected.ok() ? connected.value().get() : -1);
}

bool keep_only_becoming_others() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {};
  data[0].effective = data[0].permitted = 1U << CAP_SETUID | 1U << CAP_SETGID;
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && syscall(SYS_capset, &header, data) == 0;
}

[[noreturn]] void serve(int socket, pid_t parent) {
  signal(SIGINT, SIG_IGN);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  prctl(PR_SET_NAME, "ecdock-usher");
  // Nothing but its end of the pair.
  if (dup2(socket, 3) < 0 || syscall(SYS_close_range, 4, ~0U, 0) < 0) _exit(1);
  for (int fd = 0; fd < 3; ++fd) close(fd);
  if (getppid() != parent || !keep_only_becoming_others()) _exit(1);
  Question question;
  while (recv(3, &question, sizeof question, 0) == static_cast<ssize_t>(sizeof question)) answer(3, question);
  _exit(0);
}

}  // namespace

Result<std::unique_ptr<Usher>> Usher::start() {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0) {
    return Error::from_errno("socketpair", errno);
  }
  Fd ours(ends[0]);
  Fd theirs(ends[1]);
  setsockopt(ours.get(), SOL_SOCKET, SO_RCVTIMEO, &kPatience, sizeof kPatience);
  setsockopt(ours.get(), SOL_SOCKET, SO_SNDTIMEO, &kPatience, sizeof kPatience);
  const pid_t parent = getpid();
  const pid_t child = fork();
  if (child < 0) return Error::from_errno("fork", errno);
  if (child == 0) serve(theirs.get(), parent);
  return std::unique_ptr<Usher>(new Usher(std::move(ours)));
}

// The other process ends when it reads the end of the pair; whoever inherits it reaps it.
Usher::~Usher() = default;

Result<Fd> Usher::connect(const std::string& path, const ucred& client, const std::vector<gid_t>& groups) {
  Question question{};
  question.id = ++last_id_;
  question.client = client;
  question.group_count = static_cast<uint32_t>(std::min(groups.size(), kMostGroups));
  std::copy_n(groups.begin(), question.group_count, question.groups);
  question.path_size = static_cast<uint32_t>(path.copy(question.path, sizeof question.path));
  if (send(socket_.get(), &question, sizeof question, MSG_NOSIGNAL) < 0) {
    return Error::from_errno("ask the usher", errno == EAGAIN ? ETIMEDOUT : errno);
  }
  for (;;) {
    Reply reply{};
    iovec part{&reply, sizeof reply};
    alignas(cmsghdr) char control[kControl];
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    const ssize_t size = recvmsg(socket_.get(), &message, MSG_CMSG_CLOEXEC);
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0)
      return Error::from_errno("wait for the usher", size < 0 && errno == EAGAIN ? ETIMEDOUT : EPIPE);
    Fd fd;
    const cmsghdr* const header = CMSG_FIRSTHDR(&message);
    if (header != nullptr && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS) {
      int number = -1;
      std::memcpy(&number, CMSG_DATA(header), sizeof number);
      fd = Fd(number);
    }
    // An answer that came too late for an earlier question.
    if (reply.id != question.id) continue;
    if (reply.err != 0) return Error::from_errno("connect to the client's socket " + path, reply.err);
    return fd;
  }
}

}  // namespace ecdock::vde
