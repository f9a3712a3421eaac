#include "switch/small_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "fd.h"

namespace ecdock::vde {

namespace {

constexpr size_t kMost = 1 << 20;

}  // namespace

Result<std::string> read_small_file(const std::string& path) {
  const Fd file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY));
  if (!file.valid()) return Error::from_errno("open " + path, errno);
  std::string text;
  char part[4096];
  for (;;) {
    const ssize_t size = read(file.get(), part, sizeof part);
    if (size < 0) return Error::from_errno("read " + path, errno);
    if (size == 0) return text;
    text.append(part, static_cast<size_t>(size));
    if (text.size() > kMost) return Error::from_errno("read " + path, EFBIG);
  }
}

}  // namespace ecdock::vde
