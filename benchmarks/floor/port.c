#define _GNU_SOURCE
#include "port.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/veth.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "netlink.h"
#include "target.h"

static int open_netlink(const struct place* place) {
  if (place->netns == NULL) return netlink_open();
  int netns = open_path(place->netns);
  int fd = netlink_open_in(netns);
  close(netns);
  return fd;
}

static void go_home(const struct place* place) {
  if (setns(place->home, CLONE_NEWNET) < 0) die("setns", errno);
}

static void host_ifname(const struct place* place, int slot, char name[IFNAMSIZ]) {
  snprintf(name, IFNAMSIZ, "%s-s%d", place->bridge, slot);
}

static void put_queues(struct request* request, unsigned queues) {
  if (queues == 0) return;
  request_u32(request, IFLA_NUM_TX_QUEUES, queues);
  request_u32(request, IFLA_NUM_RX_QUEUES, queues);
}

// Makes the pair with both ends in place. The peer cannot be set up here (ENOTCONN): its namespace does that.
static void add_veth(const struct place* place, int fd, int target, int slot, unsigned group) {
  char name[IFNAMSIZ];
  host_ifname(place, slot, name);
  struct mac mac = target_mac(slot);
  struct ifinfomsg body = {.ifi_flags = IFF_UP, .ifi_change = IFF_UP};
  struct ifinfomsg peer_body = {0};
  struct request request;
  request_begin(&request, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &body, sizeof body);
  request_string(&request, IFLA_IFNAME, name);
  request_u32(&request, IFLA_MTU, target_mtu);
  request_u32(&request, IFLA_GROUP, group);
  put_queues(&request, place->queues);
  if (place->bridge_ifindex != 0) request_u32(&request, IFLA_MASTER, place->bridge_ifindex);
  struct rtattr* info = request_nest(&request, IFLA_LINKINFO, NULL, 0);
  request_string(&request, IFLA_INFO_KIND, "veth");
  struct rtattr* data = request_nest(&request, IFLA_INFO_DATA, NULL, 0);
  struct rtattr* peer = request_nest(&request, VETH_INFO_PEER, &peer_body, sizeof peer_body);
  request_string(&request, IFLA_IFNAME, target_ifname);
  request_u32(&request, IFLA_NET_NS_FD, target);
  request_attribute(&request, IFLA_ADDRESS, &mac, sizeof mac);
  request_u32(&request, IFLA_MTU, target_mtu);
  put_queues(&request, place->queues);
  request_nest_end(&request, peer);
  request_nest_end(&request, data);
  request_nest_end(&request, info);
  netlink_do(fd, &request, "RTM_NEWLINK veth");
}

// RTM_NEWLINK takes no IFLA_IFALIAS on creation.
static void set_alias(const struct place* place, int fd, int slot) {
  char name[IFNAMSIZ], alias[128];
  host_ifname(place, slot, name);
  int length = snprintf(alias, sizeof alias, "ecdock-fast floor slot=%d target=netns:%s%d ip=10.0.%d.%d",
                        slot, place->targets, slot, slot >> 8, slot & 0xff);
  struct ifinfomsg body = {0};
  struct request request;
  request_begin(&request, RTM_SETLINK, 0, &body, sizeof body);
  request_string(&request, IFLA_IFNAME, name);
  request_attribute(&request, IFLA_IFALIAS, alias, length);
  netlink_do(fd, &request, "RTM_SETLINK alias");
}

static void delete_link(const struct place* place, int fd, int slot) {
  char name[IFNAMSIZ];
  host_ifname(place, slot, name);
  struct ifinfomsg body = {0};
  struct request request;
  request_begin(&request, RTM_DELLINK, 0, &body, sizeof body);
  request_string(&request, IFLA_IFNAME, name);
  netlink_do(fd, &request, "RTM_DELLINK");
}

static void set_group(const struct place* place, int fd, int slot, unsigned group) {
  char name[IFNAMSIZ];
  host_ifname(place, slot, name);
  struct ifinfomsg body = {0};
  struct request request;
  request_begin(&request, RTM_SETLINK, 0, &body, sizeof body);
  request_string(&request, IFLA_IFNAME, name);
  request_u32(&request, IFLA_GROUP, group);
  netlink_do(fd, &request, "RTM_SETLINK group");
}

// The host has no IPv6 at the ends that Open vSwitch takes. `settings` is /proc/sys/net/ipv6/conf of their
// namespace.
static void disable_ipv6(int settings, const char* name) {
  char path[IFNAMSIZ + 32];
  snprintf(path, sizeof path, "%s/disable_ipv6", name);
  int fd = openat(settings, path, O_WRONLY | O_CLOEXEC);
  if (fd < 0 || write(fd, "1", 1) != 1) die(path, errno);
  close(fd);
}

void ports_plug(const struct place* place, unsigned group, int first, int count) {
  int fd = open_netlink(place);
  int settings = place->netns == NULL ? open_path("/proc/sys/net/ipv6/conf") : -1;
  for (int slot = first; slot < first + count; slot++) {
    char name[IFNAMSIZ];
    host_ifname(place, slot, name);
    int target = target_open(place->targets, slot);
    int inside = netlink_open_in(target);
    target_survey(inside);
    add_veth(place, fd, target, slot, group);
    if (settings >= 0) disable_ipv6(settings, name);
    set_alias(place, fd, slot);
    target_configure(inside, slot, place->netns == NULL);
    netlink_ifindex(fd, name);  // both ends are asked for, which puts them into service
    netlink_ifindex(inside, target_ifname);
    close(inside);
    go_home(place);
    close(target);
  }
  if (settings >= 0) close(settings);
  close(fd);
}

void ports_unplug(const struct place* place, int first, int count) {
  int fd = open_netlink(place);
  for (int slot = first; slot < first + count; slot++) delete_link(place, fd, slot);
  close(fd);
  go_home(place);
}

void ports_regroup(const struct place* place, unsigned group, int first, int count) {
  int fd = open_netlink(place);
  for (int slot = first; slot < first + count; slot++) set_group(place, fd, slot, group);
  close(fd);
  go_home(place);
}

void ports_delete_group(const struct place* place, unsigned group) {
  struct ifinfomsg body = {0};
  struct request request;
  int fd = open_netlink(place);
  request_begin(&request, RTM_DELLINK, 0, &body, sizeof body);
  request_u32(&request, IFLA_GROUP, group);
  netlink_do(fd, &request, "RTM_DELLINK group");
  close(fd);
  go_home(place);
}
