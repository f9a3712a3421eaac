#include "switch/usher_process.h"

#include <grp.h>
#include <linux/capability.h>
#include <poll.h>
#include <signal.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <deque>
#include <string>
#include <vector>

#include "switch/client_socket.h"
#include "switch/usher_message.h"

namespace ecdock::vde {

namespace {

constexpr int kSocket = 3;
constexpr int64_t kPatience = 1000;  // ms
constexpr timespec kPause{0, 100'000'000};
constexpr int kLook = 20;     // ms between looks for those that have ended
constexpr int kLookSoon = 2;  // when others wait for that
constexpr size_t kMostAtOnce = 32;
constexpr std::ptrdiff_t kMostOfUser = 4;
constexpr std::ptrdiff_t kMostWaitingOfUser = 60;

int64_t milliseconds() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<int64_t>(now.tv_sec) * 1000 + now.tv_nsec / 1'000'000;
}

void answer(const UsherQuestion& question, pid_t usher) {
  const size_t groups = std::min<size_t>(question.group_count, UsherQuestion::kMostGroups);
  const std::string path(question.path, std::min<size_t>(question.path_size, sizeof question.path));
  // The kernel takes the capabilities that concern files away with it.
  if (question.client.uid == 0 || setgroups(groups, question.groups) < 0) {
    return send_reply(kSocket, {question.id, EPERM});
  }
  setfsgid(question.client.gid);
  setfsuid(question.client.uid);
  if (setfsuid(static_cast<uid_t>(-1)) != static_cast<int>(question.client.uid)) {
    return send_reply(kSocket, {question.id, EPERM});
  }
  // The kernel has forgotten it with the change of user (commit_creds in kernel/cred.c).
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != usher) return;
  const auto connected = connect_to_client(path, question.client);
  if (connected.ok()) return send_reply(kSocket, {question.id, 0}, connected.value().get());
  send_reply(kSocket, {question.id, connected.error().err});
}

// A process that answers one question.
struct Errand {
  pid_t pid;
  uint64_t id;
  uid_t uid;
  int64_t begun;
};

// A question that waits until fewer of its user's are being answered.
struct PutOff {
  UsherQuestion question;
  int64_t asked;
};

class Errands {
 public:
  bool full() const { return errands_.size() == kMostAtOnce; }
  // How long to wait for the next question, in ms.
  int pause() const {
    if (!put_off_.empty()) return kLookSoon;
    return errands_.empty() ? -1 : kLook;
  }

  void take(const UsherQuestion& question) {
    const uid_t uid = question.client.uid;
    if (may_begin(uid)) return begin(question);
    const auto waiting = std::count_if(put_off_.begin(), put_off_.end(), [uid](const PutOff& other) {
      return other.question.client.uid == uid;
    });
    if (waiting >= kMostWaitingOfUser) return send_reply(kSocket, {question.id, EBUSY});
    put_off_.push_back({question, milliseconds()});
  }

  // Who has waited for so long has been given up by the switch.
  void begin_those_that_were_put_off() {
    const int64_t now = milliseconds();
    std::erase_if(put_off_, [this, now](const PutOff& waiting) {
      if (now - waiting.asked > 2 * kPatience) return true;
      if (!may_begin(waiting.question.client.uid)) return false;
      begin(waiting.question);
      return true;
    });
  }

  void end_those_that_are_done() {
    const int64_t now = milliseconds();
    std::erase_if(errands_, [now](Errand& errand) {
      int status = 0;
      if (waitpid(errand.pid, &status, WNOHANG) == errand.pid) {
        if (!WIFEXITED(status)) send_reply(kSocket, {errand.id, ETIMEDOUT});
        return true;
      }
      if (now - errand.begun > kPatience) kill(errand.pid, SIGKILL);
      return false;
    });
  }

 private:
  bool may_begin(uid_t uid) const {
    const auto same = std::count_if(errands_.begin(), errands_.end(),
                                    [uid](const Errand& errand) { return errand.uid == uid; });
    return !full() && same < kMostOfUser;
  }

  void begin(const UsherQuestion& question) {
    const pid_t usher = getpid();
    const pid_t child = fork();
    if (child < 0) return send_reply(kSocket, {question.id, errno});
    if (child == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      if (getppid() == usher) answer(question, usher);
      _exit(0);
    }
    errands_.push_back({child, question.id, question.client.uid, milliseconds()});
  }

  std::vector<Errand> errands_;
  std::deque<PutOff> put_off_;
};

bool keep_only_becoming_others() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {};
  data[0].effective = data[0].permitted = 1U << CAP_SETUID | 1U << CAP_SETGID;
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && syscall(SYS_capset, &header, data) == 0;
}

// Nothing but its end of the pair.
bool keep_only(int socket) {
  if (dup2(socket, kSocket) < 0 || syscall(SYS_close_range, kSocket + 1, ~0U, 0) < 0) return false;
  for (int fd = 0; fd < kSocket; ++fd) close(fd);
  return true;
}

[[noreturn]] void answer_questions() {
  send_reply(kSocket, {0, 0});
  Errands errands;
  for (;;) {
    pollfd ready{kSocket, static_cast<short>(errands.full() ? 0 : POLLIN), 0};
    const int told = poll(&ready, 1, errands.pause());
    errands.end_those_that_are_done();
    errands.begin_those_that_were_put_off();
    if (told <= 0) continue;
    if (!(ready.revents & POLLIN)) _exit(0);
    UsherQuestion question;
    if (recv(kSocket, &question, sizeof question, 0) != static_cast<ssize_t>(sizeof question)) _exit(0);
    errands.take(question);
  }
}

}  // namespace

void usher_process(int socket, pid_t parent) {
  signal(SIGINT, SIG_IGN);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  prctl(PR_SET_NAME, "ecdock-usher");
  if (!keep_only(socket) || getppid() != parent || !keep_only_becoming_others()) _exit(1);
  const pid_t usher = getpid();
  for (;; nanosleep(&kPause, nullptr)) {
    const pid_t child = fork();
    if (child == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      if (getppid() == usher) answer_questions();
      _exit(1);
    }
    int status = 0;
    // The switch has ended.
    if (child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status)) _exit(0);
  }
}

}  // namespace ecdock::vde
