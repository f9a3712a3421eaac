#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "flows.h"
#include "load.h"

enum { CHUNK = 256 * 1024 };
static const long long warm_up = 200 * 1000000LL;  // ns: the window grows

// Sends until nobody listens any more.
static void* sender(void* argument) {
  static char chunk[CHUNK];
  int fd = *(int*)argument;
  while (send(fd, chunk, sizeof chunk, MSG_NOSIGNAL) > 0) {
  }
  return NULL;
}

static long long receive_until(int fd, long long end) {
  static char chunk[CHUNK];
  long long bytes = 0;
  while (now() < end) {
    ssize_t size = recv(fd, chunk, sizeof chunk, 0);
    if (size <= 0) die("TCP, receiving", size < 0 ? errno : ECONNRESET);
    bytes += size;
  }
  return bytes;
}

long long tcp(const struct path* path, int ms) {
  int listener = socket_inside(path->to, SOCK_STREAM, 0);
  int from = socket_inside(path->from, SOCK_STREAM, 0);
  struct sockaddr_in address = path->to_address;
  socklen_t length = sizeof address;
  if (bind(listener, (struct sockaddr*)&address, length) < 0 || listen(listener, 1) < 0) die("TCP", errno);
  if (getsockname(listener, (struct sockaddr*)&address, &length) < 0) die("TCP", errno);
  if (connect(from, (struct sockaddr*)&address, length) < 0) die("TCP, connecting", errno);
  int to = accept(listener, NULL, NULL);
  if (to < 0) die("TCP, accepting", errno);

  pthread_t thread = begin_thread(sender, &from);
  receive_until(to, now() + warm_up);
  long long begin = now();
  long long bytes = receive_until(to, begin + ms * 1000000LL);
  long long took = now() - begin;
  // With a reset, so that nothing of it goes on.
  struct linger at_once = {.l_onoff = 1, .l_linger = 0};
  setsockopt(to, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  close(to);
  pthread_join(thread, NULL);
  close(from);
  close(listener);
  return (long long)((double)bytes * 1e9 / took);
}
