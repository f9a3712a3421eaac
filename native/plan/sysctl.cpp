#include "plan/sysctl.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "fd.h"

namespace ecdock::plan {

Result<std::string> write_sysctl(const std::string& key, const std::string& value) {
  const std::string op = "sysctl net/" + key;
  const bool leads_out = key.empty() || key.front() == '/' || key.find("..") != std::string::npos;
  if (leads_out) return Error::from_errno(op, EINVAL);
  const Fd file(::open(("/proc/sys/net/" + key).c_str(), O_RDWR | O_CLOEXEC));
  if (!file.valid()) return Error::from_errno(op, errno);
  char before[256];
  const ssize_t length = ::read(file.get(), before, sizeof before);
  if (length < 0) return Error::from_errno(op, errno);
  if (::pwrite(file.get(), value.data(), value.size(), 0) < 0) return Error::from_errno(op, errno);
  return std::string(before, static_cast<size_t>(length));
}

}  // namespace ecdock::plan
