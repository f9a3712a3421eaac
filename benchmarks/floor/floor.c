// The floor of the benchmark: what the kernel itself takes for a plug and an unplug. It sends the netlink
// messages that ecdock-fast sends, one after the other, and does nothing else.
//
// usage: floor NETNS BRIDGE TARGETS
// Reads one command a line, and answers each with a line: the ns that it took as a whole.
//   plug GROUP FIRST COUNT
//   unplug FIRST COUNT
//   regroup GROUP FIRST COUNT
//   delete-group GROUP
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "netlink.h"
#include "port.h"

static long long now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static void run(const struct place *place, const char *line) {
  unsigned group;
  int first, count;
  long long begin = now();
  if (sscanf(line, "plug %u %d %d", &group, &first, &count) == 3) {
    ports_plug(place, group, first, count);
  } else if (sscanf(line, "unplug %d %d", &first, &count) == 2) {
    ports_unplug(place, first, count);
  } else if (sscanf(line, "regroup %u %d %d", &group, &first, &count) == 3) {
    ports_regroup(place, group, first, count);
  } else if (sscanf(line, "delete-group %u", &group) == 1) {
    ports_delete_group(place, group);
  } else {
    die(line, EINVAL);
  }
  printf("%lld\n", now() - begin);
  fflush(stdout);
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
