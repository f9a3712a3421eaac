// The floor of the benchmark: what the kernel itself takes for a plug and an unplug. It sends the netlink
// messages that ecdock-fast sends, one after the other, and does nothing else.
//
// usage: floor bridge NETNS BRIDGE TARGETS
//        floor ovs SOCKET BRIDGE TARGETS
// A Linux bridge is in a namespace of its own. For Open vSwitch a port is also put into the database, with
// the bare transaction and the wait for ovs-vswitchd, and transmit checksum offload is turned off in the
// target.
//
// Reads one command a line, and answers each with a line: the ns that it took as a whole.
//   plug GROUP FIRST COUNT
//   unplug FIRST COUNT
//   regroup GROUP FIRST COUNT
//   delete-group GROUP
//   queues COUNT
// The last says with how many queues each end is made; 0 leaves it to the kernel, and 1 is the default here.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "netlink.h"
#include "ovsdb.h"
#include "port.h"

static long long now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static void run(struct place* place, const struct ovsdb* ovsdb, const char* line) {
  unsigned group;
  int first, count;
  long long begin = now();
  if (sscanf(line, "plug %u %d %d", &group, &first, &count) == 3) {
    ports_plug(place, group, first, count);
    if (ovsdb != NULL) ovsdb_add_ports(ovsdb, first, count);
  } else if (sscanf(line, "unplug %d %d", &first, &count) == 2) {
    ports_unplug(place, first, count);
    if (ovsdb != NULL) ovsdb_remove_ports(ovsdb);
  } else if (sscanf(line, "regroup %u %d %d", &group, &first, &count) == 3) {
    ports_regroup(place, group, first, count);
  } else if (sscanf(line, "delete-group %u", &group) == 1) {
    ports_delete_group(place, group);
    if (ovsdb != NULL) ovsdb_remove_ports(ovsdb);
  } else if (sscanf(line, "queues %u", &place->queues) == 1) {
  } else {
    die(line, EINVAL);
  }
  printf("%lld\n", now() - begin);
  fflush(stdout);
}

static int find_bridge(const struct place* place) {
  int netns = open(place->netns, O_RDONLY | O_CLOEXEC);
  if (netns < 0) die(place->netns, errno);
  int fd = netlink_open_in(netns);
  int ifindex = netlink_ifindex(fd, place->bridge);
  close(fd);
  close(netns);
  if (setns(place->home, CLONE_NEWNET) < 0) die("setns", errno);
  return ifindex;
}

int main(int argc, char** argv) {
  const int is_bridge = argc == 5 && strcmp(argv[1], "bridge") == 0;
  const int is_ovs = argc == 5 && strcmp(argv[1], "ovs") == 0;
  if (!is_bridge && !is_ovs) {
    fprintf(stderr, "usage: floor bridge NETNS BRIDGE TARGETS\n       floor ovs SOCKET BRIDGE TARGETS\n");
    return 2;
  }
  struct place place = {.bridge = argv[3], .targets = argv[4], .queues = 1};
  struct ovsdb ovsdb;
  place.home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
  if (place.home < 0) die("/proc/self/ns/net", errno);
  if (is_bridge) {
    place.netns = argv[2];
    place.bridge_ifindex = find_bridge(&place);
  } else {
    ovsdb_connect(&ovsdb, argv[2], place.bridge);
  }
  char line[256];
  while (fgets(line, sizeof line, stdin) != NULL) run(&place, is_ovs ? &ovsdb : NULL, line);
  return 0;
}
