#include <errno.h>
#include <stdatomic.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "flows.h"
#include "load.h"

enum { FRAME = 64, HEADERS = 14 + 20 + 8 };  // Ethernet, IPv4, UDP

static void* receiver(void* argument) {
  int fd = *(int*)argument;
  char payload[FRAME];
  long long frames = 0;
  // Until nothing has come for a while.
  for (;;) {
    if (recv(fd, payload, sizeof payload, 0) >= 0) {
      frames++;
    } else if (errno == EAGAIN) {
      return (void*)frames;
    } else if (errno != EINTR) {
      die("UDP, receiving", errno);
    }
  }
}

// Each at its time; what is late goes out at once.
static void send_evenly(int fd, int rate, int ms) {
  static const char payload[FRAME - HEADERS];
  const long long count = (long long)rate * ms / 1000;
  const long long begin = now();
  for (long long i = 0; i < count; i++) {
    const long long due = begin + i * 1000000000LL / rate;
    if (now() < due) sleep_until(due);
    if (send(fd, payload, sizeof payload, 0) < 0) die("UDP, sending", errno);
  }
}

long long udp(const struct path* path, int rate, int ms) {
  int to = socket_inside(path->to, SOCK_DGRAM, 0);
  int from = socket_inside(path->from, SOCK_DGRAM, 0);
  struct sockaddr_in address = path->to_address;
  socklen_t length = sizeof address;
  if (bind(to, (struct sockaddr*)&address, length) < 0) die("UDP", errno);
  if (getsockname(to, (struct sockaddr*)&address, &length) < 0) die("UDP", errno);
  if (connect(from, (struct sockaddr*)&address, length) < 0) die("UDP", errno);
  // Room enough that no frame is lost on its last step.
  const int room = 8 << 20;
  if (setsockopt(to, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room) < 0) die("SO_RCVBUFFORCE", errno);
  struct timeval patience = {.tv_usec = 300000};
  if (setsockopt(to, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) < 0) die("SO_RCVTIMEO", errno);
  // Else a thread sleeps 50 us longer than it is told.
  if (prctl(PR_SET_TIMERSLACK, 1) < 0) die("PR_SET_TIMERSLACK", errno);

  pthread_t thread = begin_thread(receiver, &to);
  send_evenly(from, rate, ms);
  void* frames = NULL;
  pthread_join(thread, &frames);
  close(from);
  close(to);
  return (long long)frames;
}
