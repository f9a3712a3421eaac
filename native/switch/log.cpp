#include "switch/log.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>

#include "fd.h"
#include "switch/unix_socket.h"

namespace ecdock::vde {

namespace {

constexpr int kLinesPerSecond = 10;
constexpr size_t kMaxLine = 512;
constexpr char kName[] = "ecdock-switch";

Fd own;  // what lines are written to; stderr as long as it is not open
bool to_syslog = false;
time_t second = 0;
int lines = 0;
unsigned lost = 0;

bool allowed() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  if (now.tv_sec != second) {
    second = now.tv_sec;
    lines = 0;
  }
  return lines++ < kLinesPerSecond;
}

// As syslog(3), which would wait for a system's log that is not read.
bool connect_to_syslog() {
  own = Fd(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  return own.valid() && connect_to(own.get(), _PATH_LOG).ok();
}

bool put(const std::string& line) {
  const int fd = own.valid() ? own.get() : STDERR_FILENO;
  ssize_t size = send(fd, line.data(), line.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  if (size < 0 && errno == ENOTSOCK) size = write(fd, line.data(), line.size());
  return size == static_cast<ssize_t>(line.size());
}

bool put_line(int priority, const std::string& text) {
  if (!to_syslog) return put(std::string(kName) + ": " + text + "\n");
  const std::string head = "<" + std::to_string(LOG_DAEMON | priority) + ">" + kName;
  const std::string line = head + "[" + std::to_string(getpid()) + "]: " + text;
  if (put(line)) return true;
  // It may have been started again.
  return errno != EAGAIN && connect_to_syslog() && put(line);
}

void begin_anew() {
  second = 0;
  lines = 0;
  lost = 0;
}

std::string printable(std::string text) {
  for (char& c : text) {
    if (c < 0x20 || c == 0x7f) c = '?';
  }
  return text;
}

}  // namespace

void log_line(int priority, const std::string& text) {
  if (!allowed()) {
    ++lost;
    return;
  }
  if (lost > 0 && put_line(LOG_WARNING, "lines lost before this one: " + std::to_string(lost))) lost = 0;
  if (!put_line(priority, printable(text.substr(0, kMaxLine)))) ++lost;
}

void log_to_stderr() {
  begin_anew();
  to_syslog = false;
  own.reset();
  struct stat status {};
  if (fstat(STDERR_FILENO, &status) < 0 || S_ISREG(status.st_mode) || S_ISSOCK(status.st_mode)) return;
  // Not to wait is a matter of the open file, which others may share: so it is opened once more.
  own = Fd(open("/proc/self/fd/2", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  if (!own.valid()) fcntl(STDERR_FILENO, F_SETFL, fcntl(STDERR_FILENO, F_GETFL) | O_NONBLOCK);
}

void log_to_syslog() {
  begin_anew();
  to_syslog = true;
  connect_to_syslog();
}

}  // namespace ecdock::vde
