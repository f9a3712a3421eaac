#include "switch/syscall_filter.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstddef>
#include <functional>
#include <iterator>

#include "switch/lockdown.h"

using namespace ecdock;

namespace {

// The wait status of a process that runs `body` behind the filter. Its status is 0 when that says true.
int behind_filter(const std::function<bool()>& body) {
  const pid_t child = fork();
  if (child == 0) {
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    const auto allowed = vde::allow_only_needed_calls();
    if (!allowed.ok() || !allowed.value()) _exit(2);
    // Not _exit(), before which AddressSanitizer makes calls of its own.
    syscall(SYS_exit_group, body() ? 0 : 1);
  }
  int status = -1;
  waitpid(child, &status, 0);
  return status;
}

// What installing the filter says where seccomp() fails with `err`: in all its uses, or only in those with a
// program. 'e' for an error, or whether it was installed.
char outcome_where_seccomp_fails(int err, bool always) {
  const pid_t child = fork();
  if (child == 0) {
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    sock_filter code[] = {
        {BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(seccomp_data, nr)},
        {BPF_JMP | BPF_JEQ | BPF_K, 0, 3, SYS_seccomp},
        {BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(seccomp_data, args) + 2 * sizeof(uint64_t)},
        {BPF_JMP | BPF_JEQ | BPF_K, static_cast<uint8_t>(always ? 0 : 1), 0, 0},
        {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ERRNO | static_cast<uint32_t>(err)},
        {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW},
    };
    const sock_fprog program{std::size(code), code};
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0) _exit(2);
    const auto allowed = vde::allow_only_needed_calls();
    _exit(!allowed.ok() ? 'e' : allowed.value() ? 'y' : 'n');
  }
  int status = -1;
  waitpid(child, &status, 0);
  return static_cast<char>(WEXITSTATUS(status));
}

bool refused(int result) { return result == -1 && errno == EPERM; }

}  // namespace

TEST_CASE("behind the filter a switch can do its work") {
  CHECK(behind_filter([] {
          const int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
          const int path = open("/", O_PATH);
          return fd >= 0 && path >= 0 && fcntl(fd, F_SETFL, O_NONBLOCK) == 0 && close(fd) == 0;
        }) == 0);
}

TEST_CASE("behind the filter other calls are refused") {
  CHECK(behind_filter([] { return refused(socket(AF_INET, SOCK_DGRAM, 0)); }) == 0);
  CHECK(behind_filter([] { return refused(socket(AF_NETLINK, SOCK_RAW, 0)); }) == 0);
  CHECK(behind_filter([] { return refused(open("/etc/passwd", O_RDONLY)); }) == 0);
  CHECK(behind_filter([] { return refused(open("/tmp/new", O_WRONLY | O_CREAT, 0600)); }) == 0);
  CHECK(behind_filter([] { return refused(kill(getppid(), 0)); }) == 0);
  CHECK(behind_filter([] { return refused(setuid(1)); }) == 0);
  CHECK(behind_filter([] { return refused(fork()); }) == 0);
  CHECK(behind_filter([] {
          void* const page = mmap(nullptr, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
          return refused(mprotect(page, 4096, PROT_READ | PROT_EXEC));
        }) == 0);
  CHECK(behind_filter([] {
          return mmap(nullptr, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED;
        }) == 0);
}

TEST_CASE("behind the filter a program cannot be started: the process ends") {
  const int status = behind_filter([] {
    char* const arguments[] = {nullptr};
    execve("/bin/true", arguments, arguments);
    return true;
  });
  CHECK(WIFSIGNALED(status));
  CHECK(WTERMSIG(status) == SIGSYS);
}

TEST_CASE("the switch does without the filter only where the kernel has none") {
  CHECK(outcome_where_seccomp_fails(EINVAL, false) == 'e');
  CHECK(outcome_where_seccomp_fails(ENOMEM, false) == 'e');
  CHECK(outcome_where_seccomp_fails(EPERM, true) == 'e');
  CHECK(outcome_where_seccomp_fails(ENOSYS, true) == 'n');
  CHECK(outcome_where_seccomp_fails(EINVAL, true) == 'n');
}
