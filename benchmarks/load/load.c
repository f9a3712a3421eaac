// Makes traffic for the benchmark of data planes, and counts what arrives.
//
// usage: load FROM TO ADDRESS
// FROM and TO are the paths of two network namespaces; the one behind TO has the IPv4 address.
//
// Reads one command a line, and answers each with a line, a whole number.
//   tcp MS           bytes of one TCP connection that arrive in a second
//   udp RATE MS      frames of 64 bytes that arrive, when RATE are sent in a second, evenly
//   vde DIRECTORY MS frames of 64 bytes that arrive in a second between two clients of the VDE switch there,
//                    sent as fast as it takes them; this one needs neither namespace
#define _GNU_SOURCE
#include "load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "flows.h"

void die(const char* what, int error) {
  fprintf(stderr, "load: %s: %s\n", what, strerror(error));
  exit(1);
}

long long now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1000000000LL + time.tv_nsec;
}

void sleep_until(long long when) {
  struct timespec time = {.tv_sec = when / 1000000000, .tv_nsec = when % 1000000000};
  while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL) == EINTR) {
  }
}

pthread_t begin_thread(void* (*body)(void*), void* argument) {
  pthread_t thread;
  int error = pthread_create(&thread, NULL, body, argument);
  if (error != 0) die("pthread_create", error);
  return thread;
}

int socket_inside(const char* netns, int type, int protocol) {
  int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
  int there = open(netns, O_RDONLY | O_CLOEXEC);
  if (home < 0 || there < 0 || setns(there, CLONE_NEWNET) < 0) die(netns, errno);
  int fd = socket(AF_INET, type | SOCK_CLOEXEC, protocol);
  if (fd < 0) die("socket", errno);
  if (setns(home, CLONE_NEWNET) < 0) die("setns", errno);
  close(there);
  close(home);
  return fd;
}

static long long run(const struct path* path, const char* line) {
  char directory[108];
  int first, ms;
  if (sscanf(line, "tcp %d", &ms) == 1) return tcp(path, ms);
  if (sscanf(line, "udp %d %d", &first, &ms) == 2) return udp(path, first, ms);
  if (sscanf(line, "vde %107s %d", directory, &ms) == 2) return vde(directory, ms);
  die(line, EINVAL);
}

int main(int argc, char** argv) {
  struct path path = {.to_address = {.sin_family = AF_INET}};
  if (argc != 4 || inet_pton(AF_INET, argv[3], &path.to_address.sin_addr) != 1) {
    fprintf(stderr, "usage: load FROM TO ADDRESS\n");
    return 2;
  }
  path.from = argv[1];
  path.to = argv[2];
  char line[256];
  while (fgets(line, sizeof line, stdin) != NULL) {
    printf("%lld\n", run(&path, line));
    fflush(stdout);
  }
  return 0;
}
