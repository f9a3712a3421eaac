// The floor of the benchmark: what the kernel itself takes for a plug and an unplug. It sends the netlink
// messages that ecdock-fast sends, one after the other, and does nothing else.
//
// usage: floor NETNS BRIDGE TARGETS
// Reads one command a line and answers each with one line:
//   plug GROUP FIRST COUNT       [ns of each plug]
//   unplug FIRST COUNT           [ns of each unplug]
//   regroup GROUP FIRST COUNT    [ns of all together]
//   delete-group GROUP           [ns of all together]
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "netlink.h"
#include "port.h"

enum { MOST = 1000 };

static long long now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static void print(const long long *ns, int count) {
  putchar('[');
  for (int i = 0; i < count; i++) printf(i == 0 ? "%lld" : ",%lld", ns[i]);
  puts("]");
  fflush(stdout);
}

static void run(const struct place *place, const char *line) {
  long long ns[MOST];
  unsigned group;
  int first, count;
  if (sscanf(line, "plug %u %d %d", &group, &first, &count) == 3 && count <= MOST) {
    for (int i = 0; i < count; i++) {
      long long begin = now();
      port_plug(place, first + i, group);
      ns[i] = now() - begin;
    }
    print(ns, count);
  } else if (sscanf(line, "unplug %d %d", &first, &count) == 2 && count <= MOST) {
    for (int i = 0; i < count; i++) {
      long long begin = now();
      port_unplug(place, first + i);
      ns[i] = now() - begin;
    }
    print(ns, count);
  } else if (sscanf(line, "regroup %u %d %d", &group, &first, &count) == 3) {
    long long begin = now();
    ports_regroup(place, first, count, group);
    ns[0] = now() - begin;
    print(ns, 1);
  } else if (sscanf(line, "delete-group %u", &group) == 1) {
    long long begin = now();
    ports_delete_group(place, group);
    ns[0] = now() - begin;
    print(ns, 1);
  } else {
    die(line, EINVAL);
  }
}

int main(int argc, char **argv) {
  if (argc != 4) {
    fprintf(stderr, "usage: floor NETNS BRIDGE TARGETS\n");
    return 2;
  }
  struct place place = {.netns = argv[1], .bridge = argv[2], .targets = argv[3]};
  place.home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
  int netns = open(place.netns, O_RDONLY | O_CLOEXEC);
  if (place.home < 0 || netns < 0) die(place.netns, errno);
  int fd = netlink_open_in(netns);
  place.bridge_ifindex = netlink_ifindex(fd, place.bridge);
  close(fd);
  close(netns);
  if (setns(place.home, CLONE_NEWNET) < 0) die("setns", errno);

  char line[256];
  while (fgets(line, sizeof line, stdin) != NULL) run(&place, line);
  return 0;
}
