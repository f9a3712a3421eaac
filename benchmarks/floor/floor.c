// The floor of the benchmark: what the kernel itself takes for a plug and an unplug. It sends the netlink
// messages that ecdock-fast sends, one after the other, and does nothing else.
//
// usage: floor bridge NETNS BRIDGE TARGETS
//        floor ovs SOCKET BRIDGE TARGETS
//        floor vde CONTROL VSWITCH TARGETS
// A Linux bridge is in a namespace of its own. For Open vSwitch a port is also put into the database, with
// the bare transaction and the wait for ovs-vswitchd, its host end has no IPv6, and transmit checksum offload
// is turned off in the target. On VDE a port is a tap in the target, which is handed to the control socket of
// an ecdock-switch.
//
// Reads one command a line, and answers each with a line: the ns that it took as a whole.
//   plug GROUP FIRST COUNT
//   unplug FIRST COUNT
// and unless it is on VDE
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
#include "tap.h"

static long long now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1000000000LL + time.tv_nsec;
}

// Where the ports are made: `taps` is NULL unless it is on VDE, `ovsdb` unless it is on Open vSwitch.
struct floor {
  struct place place;
  const struct ovsdb* ovsdb;
  const struct taps* taps;
};

static void plug(const struct floor* floor, unsigned group, int first, int count) {
  if (floor->taps != NULL) {
    taps_plug(floor->taps, group, first, count);
    return;
  }
  ports_plug(&floor->place, group, first, count);
  if (floor->ovsdb != NULL) ovsdb_add_ports(floor->ovsdb, first, count);
}

static void unplug(const struct floor* floor, int first, int count) {
  if (floor->taps != NULL) {
    taps_unplug(floor->taps, first, count);
    return;
  }
  ports_unplug(&floor->place, first, count);
  if (floor->ovsdb != NULL) ovsdb_remove_ports(floor->ovsdb);
}

static void run(struct floor* floor, const char* line) {
  struct place* place = &floor->place;
  unsigned group;
  int first, count;
  long long begin = now();
  if (sscanf(line, "plug %u %d %d", &group, &first, &count) == 3) {
    plug(floor, group, first, count);
  } else if (sscanf(line, "unplug %d %d", &first, &count) == 2) {
    unplug(floor, first, count);
  } else if (floor->taps != NULL) {
    die(line, EINVAL);
  } else if (sscanf(line, "regroup %u %d %d", &group, &first, &count) == 3) {
    ports_regroup(place, group, first, count);
  } else if (sscanf(line, "delete-group %u", &group) == 1) {
    ports_delete_group(place, group);
    if (floor->ovsdb != NULL) ovsdb_remove_ports(floor->ovsdb);
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

static int usage(void) {
  fprintf(stderr,
          "usage: floor bridge NETNS BRIDGE TARGETS\n"
          "       floor ovs SOCKET BRIDGE TARGETS\n"
          "       floor vde CONTROL VSWITCH TARGETS\n");
  return 2;
}

int main(int argc, char** argv) {
  if (argc != 5) return usage();
  const char *kind = argv[1], *where = argv[2], *name = argv[3], *targets = argv[4];
  struct floor floor = {.place = {.bridge = name, .targets = targets, .queues = 1}};
  struct place* place = &floor.place;
  struct ovsdb ovsdb;
  struct taps taps;
  place->home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
  if (place->home < 0) die("/proc/self/ns/net", errno);
  if (strcmp(kind, "bridge") == 0) {
    place->netns = where;
    place->bridge_ifindex = find_bridge(place);
  } else if (strcmp(kind, "ovs") == 0) {
    ovsdb_connect(&ovsdb, where, name);
    floor.ovsdb = &ovsdb;
  } else if (strcmp(kind, "vde") == 0) {
    taps = (struct taps){place->home, control_connect(where), name, targets};
    floor.taps = &taps;
  } else {
    return usage();
  }
  char line[256];
  while (fgets(line, sizeof line, stdin) != NULL) run(&floor, line);
  return 0;
}
