#include "switch/syscall_filter.h"

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/if_tun.h>
#include <linux/seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <span>

namespace ecdock::vde {

namespace {

#if defined(__x86_64__)
constexpr uint32_t kArchitecture = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr uint32_t kArchitecture = AUDIT_ARCH_AARCH64;
#elif defined(__riscv) && __riscv_xlen == 64
constexpr uint32_t kArchitecture = AUDIT_ARCH_RISCV64;
#else
constexpr uint32_t kArchitecture = 0;  // no filter is known
#endif

// Frames, requests and memory.
constexpr int kAllowed[] = {
    SYS_read,          SYS_write,        SYS_readv,          SYS_writev,          SYS_close,
    SYS_recvmsg,       SYS_recvmmsg,     SYS_recvfrom,       SYS_sendmsg,         SYS_sendmmsg,
    SYS_sendto,        SYS_epoll_ctl,    SYS_epoll_pwait,
#ifdef SYS_epoll_wait
    SYS_epoll_wait,
#endif
    SYS_accept4,       SYS_bind,         SYS_connect,        SYS_shutdown,        SYS_getsockopt,
    SYS_getsockname,   SYS_umask,        SYS_fstat,          SYS_newfstatat,      SYS_statx,
    SYS_unlinkat,
#ifdef SYS_unlink
    SYS_unlink,        SYS_rmdir,        SYS_lstat,
#endif
    SYS_futex,         SYS_brk,          SYS_munmap,         SYS_mremap,          SYS_madvise,
    SYS_clock_gettime, SYS_gettimeofday, SYS_getpid,         SYS_gettid,          SYS_geteuid,
    SYS_getrandom,     SYS_rt_sigreturn, SYS_rt_sigprocmask, SYS_restart_syscall, SYS_exit,
    SYS_exit_group,    SYS_sched_yield,  SYS_rseq,           SYS_set_robust_list,
};

// What no error in the switch calls by accident: it would be somebody else's code.
constexpr int kFatal[] = {
    SYS_execve,
    SYS_execveat,
    SYS_ptrace,
    SYS_process_vm_readv,
    SYS_process_vm_writev,
    SYS_init_module,
    SYS_finit_module,
    SYS_kexec_load,
    SYS_bpf,
    SYS_mount,
    SYS_setns,
    SYS_unshare,
};

// Requests to taps.
constexpr uint32_t kTapRequests[] = {TUNGETIFF, TUNSETVNETHDRSZ, TUNSETOFFLOAD};

constexpr uint32_t low_word(size_t argument) {
  const size_t at = offsetof(seccomp_data, args) + argument * sizeof(uint64_t);
  return static_cast<uint32_t>(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? at : at + 4);
}

class Program {
 public:
  void load(uint32_t offset) { add(BPF_LD | BPF_W | BPF_ABS, offset); }
  void answer(uint32_t action) { add(BPF_RET | BPF_K, action); }
  // Answers when what is loaded is equal to, or has (not) all the bits of, a value.
  void if_equal(uint32_t value, uint32_t action) { test(BPF_JEQ, value, 0, 1, action); }
  void unless_equal(uint32_t value, uint32_t action) { test(BPF_JEQ, value, 1, 0, action); }
  void if_set(uint32_t bits, uint32_t action) { test(BPF_JSET, bits, 0, 1, action); }
  // The next `length` instructions are skipped unless the call is this one.
  void only_for(int call, uint8_t length) {
    code_.push_back({BPF_JMP | BPF_JEQ | BPF_K, 0, length, static_cast<uint32_t>(call)});
  }
  std::vector<sock_filter> take() { return std::move(code_); }

 private:
  void add(uint16_t code, uint32_t value) { code_.push_back({code, 0, 0, value}); }
  void test(uint16_t comparison, uint32_t value, uint8_t if_true, uint8_t if_false, uint32_t action) {
    code_.push_back({static_cast<uint16_t>(BPF_JMP | comparison | BPF_K), if_true, if_false, value});
    answer(action);
  }

  std::vector<sock_filter> code_;
};

// Only a kernel that knows filters looks for the program that is missing here (seccomp(2)).
bool kernel_has_filters() {
  return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, nullptr) == 0 ||
         (errno != ENOSYS && errno != EINVAL);
}

}  // namespace

std::vector<sock_filter> syscall_filter() {
  constexpr uint32_t kAllow = SECCOMP_RET_ALLOW;
  constexpr uint32_t kRefuse = SECCOMP_RET_ERRNO | EPERM;
  constexpr uint32_t kKill = SECCOMP_RET_KILL_PROCESS;
  Program program;
  program.load(offsetof(seccomp_data, arch));
  program.unless_equal(kArchitecture, kKill);
  program.load(offsetof(seccomp_data, nr));
  for (const int call : kAllowed) program.if_equal(static_cast<uint32_t>(call), kAllow);
  for (const int call : kFatal) program.if_equal(static_cast<uint32_t>(call), kKill);

  // Memory is never made executable.
  program.only_for(SYS_mprotect, 4);
  program.load(low_word(2));
  program.if_set(PROT_EXEC, kRefuse);
  program.answer(kAllow);
  program.only_for(SYS_mmap, 4);
  program.load(low_word(2));
  program.if_set(PROT_EXEC, kRefuse);
  program.answer(kAllow);

  // Sockets of this machine only.
  program.only_for(SYS_socket, 4);
  program.load(low_word(0));
  program.if_equal(AF_UNIX, kAllow);
  program.answer(kRefuse);

  // Only to look at a client's socket: what is opened so can be neither read nor written.
  program.only_for(SYS_openat, 4);
  program.load(low_word(2));
  program.if_set(O_PATH, kAllow);
  program.answer(kRefuse);

  program.only_for(SYS_fcntl, 6);
  program.load(low_word(1));
  program.if_equal(F_SETFL, kAllow);
  program.if_equal(F_GETFL, kAllow);
  program.answer(kRefuse);

  program.only_for(SYS_ioctl, 1 + 2 * std::size(kTapRequests) + 1);
  program.load(low_word(1));
  for (const uint32_t request : kTapRequests) program.if_equal(request, kAllow);
  program.answer(kRefuse);

  program.answer(kRefuse);
  return program.take();
}

Result<bool> install_syscall_filter() {
  if (kArchitecture == 0 || !kernel_has_filters()) return false;
  auto code = syscall_filter();
  sock_fprog program{static_cast<unsigned short>(code.size()), code.data()};
  const long installed = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program);
  if (installed == 0) return true;
  // A positive number is a thread that could not be filtered.
  return Error::from_errno("seccomp", installed < 0 ? errno : EPERM);
}

}  // namespace ecdock::vde
