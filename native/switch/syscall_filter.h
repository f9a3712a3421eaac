#pragma once

#include <linux/filter.h>

#include <vector>

#include "result.h"

namespace ecdock::vde {

// The filter as a BPF program (seccomp(2)): an allow-list of system calls, some with a look at their
// arguments.
std::vector<sock_filter> syscall_filter();

// Puts it on all threads. Needs no_new_privs. False, and no error, only when the kernel has no filters, or
// this processor is none that a filter is known for.
Result<bool> install_syscall_filter();

}  // namespace ecdock::vde
