#include "file_lock.h"

#include <sys/file.h>

#include <cerrno>

namespace ecdock {

Result<bool> try_lock(int descriptor) {
  while (::flock(descriptor, LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) return false;
    if (errno != EINTR) return Error::from_errno("lock", errno);
  }
  return true;
}

}  // namespace ecdock
