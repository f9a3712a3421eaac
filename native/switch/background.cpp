#include "switch/background.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdlib>

namespace ecdock::vde {

Result<Background> Background::enter() {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) < 0) return Error::from_errno("pipe", errno);
  Fd reading(ends[0]);
  Fd writing(ends[1]);
  const pid_t child = fork();
  if (child < 0) return Error::from_errno("fork", errno);
  if (child > 0) {
    writing.reset();
    char ready = 0;
    ssize_t size = 0;
    do {
      size = read(reading.get(), &ready, 1);
    } while (size < 0 && errno == EINTR);
    if (size == 1) _exit(0);
    int status = 0;
    waitpid(child, &status, 0);
    _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
  }
  setsid();
  return Background(std::move(writing));
}

void Background::ready() {
  if (!pipe_.valid()) return;
  const Fd null(open("/dev/null", O_RDWR | O_CLOEXEC));
  for (int fd = 0; fd <= 2; ++fd) dup2(null.get(), fd);
  if (chdir("/") < 0) return;
  [[maybe_unused]] const ssize_t told = ::write(pipe_.get(), "r", 1);
  pipe_.reset();
}

namespace {

bool runs(const std::string& path) {
  const Fd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  char text[16] = {};
  const ssize_t size = file.valid() ? read(file.get(), text, sizeof text) : 0;
  pid_t pid = 0;
  if (size <= 0 || std::from_chars(text, text + size, pid).ec != std::errc() || pid <= 0) return false;
  return kill(pid, 0) == 0 || errno == EPERM;
}

}  // namespace

Result<PidFile> PidFile::write(const std::string& path) {
  if (path.empty()) return PidFile("");
  const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
  Fd file(open(path.c_str(), flags, 0644));
  if (!file.valid() && errno == EEXIST) {
    if (runs(path)) return Error{"pid file", EEXIST, path + " names a process that runs", {}};
    unlink(path.c_str());
    file = Fd(open(path.c_str(), flags, 0644));
  }
  if (!file.valid()) return Error::from_errno("create " + path, errno);
  const std::string text = std::to_string(getpid()) + "\n";
  if (::write(file.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
    return Error::from_errno("write " + path, errno);
  }
  char resolved[PATH_MAX];
  return PidFile(realpath(path.c_str(), resolved) == nullptr ? path : resolved);
}

PidFile::~PidFile() {
  if (!path_.empty()) unlink(path_.c_str());
}

}  // namespace ecdock::vde
