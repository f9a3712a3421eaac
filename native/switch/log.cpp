#include "switch/log.h"

#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include <string>

namespace ecdock::vde {

namespace {

constexpr int kLinesPerSecond = 10;
constexpr size_t kMaxLine = 512;

bool to_syslog = false;
time_t second = 0;
int lines = 0;

bool allowed() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  if (now.tv_sec != second) {
    second = now.tv_sec;
    lines = 0;
  }
  return lines++ < kLinesPerSecond;
}

}  // namespace

void log_line(int priority, const std::string& text) {
  if (!allowed()) return;
  std::string line = "ecdock-switch: " + text.substr(0, kMaxLine);
  for (char& c : line) {
    if (c < 0x20 || c == 0x7f) c = '?';
  }
  if (to_syslog) {
    syslog(priority, "%s", line.c_str() + sizeof "ecdock-switch: " - 1);
    return;
  }
  line += '\n';
  // Where nobody reads, nothing is written.
  [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, line.data(), line.size());
}

void log_to_syslog() {
  openlog("ecdock-switch", LOG_PID | LOG_NDELAY, LOG_DAEMON);
  to_syslog = true;
}

}  // namespace ecdock::vde
