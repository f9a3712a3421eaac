#include "switch/log.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <syslog.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string>

#include "fd.h"

using ecdock::Fd;

namespace {

// Stderr is something else as long as it lives.
class OtherStderr {
 public:
  explicit OtherStderr(int fd) : before_(dup(STDERR_FILENO)) {
    dup2(fd, STDERR_FILENO);
    ecdock::vde::log_to_stderr();
  }
  ~OtherStderr() {
    dup2(before_.get(), STDERR_FILENO);
    ecdock::vde::log_to_stderr();
  }

 private:
  Fd before_;
};

// As clients do that are refused one after the other: more than are written in a second, until some are lost.
void log_many() {
  Fd nowhere(open("/dev/null", O_WRONLY | O_CLOEXEC));
  const OtherStderr replaced(nowhere.get());
  for (int line = 0; line < 100; ++line) ecdock::vde::log_line(LOG_WARNING, "one of many");
}

// Writes until there is no room, without waiting itself, and leaves the descriptor as it was.
void fill(int fd) {
  const int flags = fcntl(fd, F_GETFL);
  REQUIRE(fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0);
  const std::string much(4096, 'x');
  for (size_t size = much.size(); size > 0; size /= 2) {
    while (write(fd, much.data(), size) > 0)
      ;
    REQUIRE(errno == EAGAIN);
  }
  REQUIRE(fcntl(fd, F_SETFL, flags) == 0);
}

std::string drained(int fd) {
  std::string all;
  std::array<char, 65536> some;
  REQUIRE(fcntl(fd, F_SETFL, O_NONBLOCK) == 0);
  for (ssize_t size = 0; (size = read(fd, some.data(), some.size())) > 0;) all.append(some.data(), size);
  return all;
}

// A line that waits for its reader ends the tests, by the alarm.
void loses_lines_and_says_so(int reading, int writing) {
  fill(writing);
  {
    const OtherStderr replaced(writing);
    alarm(10);
    ecdock::vde::log_line(LOG_WARNING, "lost");
    ecdock::vde::log_line(LOG_WARNING, "lost too");
    alarm(0);
    CHECK(drained(reading).find("ecdock-switch") == std::string::npos);
    ecdock::vde::log_line(LOG_WARNING, "there is room again");
  }
  CHECK(drained(reading) ==
        "ecdock-switch: lines lost before this one: 2\n"
        "ecdock-switch: there is room again\n");
  CHECK((fcntl(writing, F_GETFL) & O_NONBLOCK) == 0);
}

}  // namespace

TEST_CASE("a log that nobody reads holds up nobody") {
  int ends[2];
  SUBCASE("a pipe") {
    REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
    const Fd reading(ends[0]);
    const Fd writing(ends[1]);
    loses_lines_and_says_so(reading.get(), writing.get());
  }
  SUBCASE("a socket") {
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    const Fd reading(ends[0]);
    const Fd writing(ends[1]);
    loses_lines_and_says_so(reading.get(), writing.get());
  }
}

TEST_CASE("a log that goes elsewhere has lost nothing yet, and its own ten lines a second") {
  log_many();
  int ends[2];
  REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
  const Fd reading(ends[0]);
  const Fd writing(ends[1]);
  {
    const OtherStderr replaced(writing.get());
    ecdock::vde::log_line(LOG_WARNING, "the first");
  }
  CHECK(drained(reading.get()) == "ecdock-switch: the first\n");
}

TEST_CASE("a log in a file is written to where it ends") {
  std::string path = "/tmp/ecdock-log-XXXXXX";
  const Fd file(mkstemp(path.data()));
  REQUIRE(file.valid());
  unlink(path.c_str());
  REQUIRE(write(file.get(), "before\n", 7) == 7);
  {
    const OtherStderr replaced(file.get());
    ecdock::vde::log_line(LOG_WARNING, "behind it\twithout tabs");
  }
  REQUIRE(lseek(file.get(), 0, SEEK_SET) == 0);
  CHECK(drained(file.get()) == "before\necdock-switch: behind it?without tabs\n");
}
