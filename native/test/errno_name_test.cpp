#include "errno_name.h"

#include <doctest/doctest.h>

#include <cerrno>
#include <cstring>
#include <string>

using ecdock::errno_name;

TEST_CASE("errors have the names of the kernel's headers") {
  CHECK(errno_name(EPERM) == "EPERM");
  CHECK(errno_name(EEXIST) == "EEXIST");
  CHECK(errno_name(ENODEV) == "ENODEV");
  CHECK(errno_name(EAGAIN) == "EAGAIN");
  CHECK(errno_name(EOPNOTSUPP) == "EOPNOTSUPP");
  CHECK(errno_name(EADDRNOTAVAIL) == "EADDRNOTAVAIL");
  CHECK(errno_name(EHWPOISON) == "EHWPOISON");
  CHECK(errno_name(0) == "errno 0");
  CHECK(errno_name(9999) == "errno 9999");
}

#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 32)
TEST_CASE("no error that the C library can name is left out") {
  for (int err = 1; err < 4096; ++err) {
    const char* name = ::strerrorname_np(err);
    if (name == nullptr || err == ENOTSUP) continue;  // which is EOPNOTSUPP by another name
    CHECK(errno_name(err) == name);
  }
}
#endif
