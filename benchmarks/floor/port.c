#define _GNU_SOURCE
#include "port.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/sockios.h>
#include <linux/veth.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "netlink.h"

static const unsigned mtu = 1500;
static const int prefix4 = 16;
static const int prefix6 = 64;
static const char target_ifname[] = "eth0";

static int open_path(const char* path) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) die(path, errno);
  return fd;
}

static int open_target(const struct place* place, int slot) {
  char path[256];
  snprintf(path, sizeof path, "%s%d", place->targets, slot);
  return open_path(path);
}

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
  unsigned char mac[6] = {0x52, 0x00, 10, 0, slot >> 8, slot & 0xff};
  struct ifinfomsg body = {.ifi_flags = IFF_UP, .ifi_change = IFF_UP};
  struct ifinfomsg peer_body = {0};
  struct request request;
  request_begin(&request, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &body, sizeof body);
  request_string(&request, IFLA_IFNAME, name);
  request_u32(&request, IFLA_MTU, mtu);
  request_u32(&request, IFLA_GROUP, group);
  put_queues(&request, place->queues);
  if (place->bridge_ifindex != 0) request_u32(&request, IFLA_MASTER, place->bridge_ifindex);
  struct rtattr* info = request_nest(&request, IFLA_LINKINFO, NULL, 0);
  request_string(&request, IFLA_INFO_KIND, "veth");
  struct rtattr* data = request_nest(&request, IFLA_INFO_DATA, NULL, 0);
  struct rtattr* peer = request_nest(&request, VETH_INFO_PEER, &peer_body, sizeof peer_body);
  request_string(&request, IFLA_IFNAME, target_ifname);
  request_u32(&request, IFLA_NET_NS_FD, target);
  request_attribute(&request, IFLA_ADDRESS, mac, sizeof mac);
  request_u32(&request, IFLA_MTU, mtu);
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

// What the target has already: its links (without statistics) and its addresses.
static void survey_target(int fd) {
  struct ifinfomsg link = {.ifi_family = AF_UNSPEC};
  struct ifaddrmsg address = {.ifa_family = AF_UNSPEC};
  struct request request;
  request_begin(&request, RTM_GETLINK, 0, &link, sizeof link);
  request_u32(&request, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
  netlink_dump(fd, &request, "RTM_GETLINK");
  request_begin(&request, RTM_GETADDR, 0, &address, sizeof address);
  netlink_dump(fd, &request, "RTM_GETADDR");
}

static void add_address(int fd, int ifindex, int family, const char* text, int prefix) {
  unsigned char address[16];
  if (inet_pton(family, text, address) != 1) die(text, EINVAL);
  size_t length = family == AF_INET ? 4 : 16;
  struct ifaddrmsg body = {.ifa_family = family,
                           .ifa_prefixlen = prefix,
                           .ifa_flags = family == AF_INET6 ? IFA_F_NODAD : 0,
                           .ifa_index = ifindex};
  struct request request;
  request_begin(&request, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, &body, sizeof body);
  request_attribute(&request, IFA_LOCAL, address, length);
  request_attribute(&request, IFA_ADDRESS, address, length);
  netlink_do(fd, &request, "RTM_NEWADDR");
}

static void set_up(int fd, int ifindex) {
  struct ifinfomsg body = {.ifi_index = ifindex, .ifi_flags = IFF_UP, .ifi_change = IFF_UP};
  struct request request;
  request_begin(&request, RTM_SETLINK, 0, &body, sizeof body);
  netlink_do(fd, &request, "RTM_SETLINK up");
}

static void add_default_route(int fd, int ifindex) {
  struct in_addr gateway;
  inet_pton(AF_INET, "10.0.255.254", &gateway);
  struct rtmsg body = {.rtm_family = AF_INET,
                       .rtm_table = RT_TABLE_MAIN,
                       .rtm_protocol = RTPROT_STATIC,
                       .rtm_scope = RT_SCOPE_UNIVERSE,
                       .rtm_type = RTN_UNICAST};
  struct request request;
  request_begin(&request, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, &body, sizeof body);
  request_attribute(&request, RTA_GATEWAY, &gateway, sizeof gateway);
  request_u32(&request, RTA_OIF, ifindex);
  netlink_do(fd, &request, "RTM_NEWROUTE");
}

// Nothing fills in the checksums of what the userspace datapath forwards, so the target must do it.
static void disable_tx_checksum(void) {
  struct ethtool_value wanted = {.cmd = ETHTOOL_STXCSUM, .data = 0};
  struct ifreq request = {.ifr_data = (char*)&wanted};
  strcpy(request.ifr_name, target_ifname);
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0 || ioctl(fd, SIOCETHTOOL, &request) < 0) die("SIOCETHTOOL", errno);
  close(fd);
}

static void configure_target(const struct place* place, int fd, int slot) {
  const int loopback = 1;
  char text[64];
  int ifindex = netlink_ifindex(fd, target_ifname);
  snprintf(text, sizeof text, "10.0.%d.%d", slot >> 8, slot & 0xff);
  add_address(fd, ifindex, AF_INET, text, prefix4);
  snprintf(text, sizeof text, "2001:db8::10.0.%d.%d", slot >> 8, slot & 0xff);
  add_address(fd, ifindex, AF_INET6, text, prefix6);
  if (place->netns == NULL) disable_tx_checksum();
  set_up(fd, loopback);
  set_up(fd, ifindex);
  add_default_route(fd, ifindex);
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

void ports_plug(const struct place* place, unsigned group, int first, int count) {
  int fd = open_netlink(place);
  for (int slot = first; slot < first + count; slot++) {
    char name[IFNAMSIZ];
    host_ifname(place, slot, name);
    int target = open_target(place, slot);
    int inside = netlink_open_in(target);
    survey_target(inside);
    add_veth(place, fd, target, slot, group);
    set_alias(place, fd, slot);
    configure_target(place, inside, slot);
    netlink_ifindex(fd, name);  // both ends are asked for, which puts them into service
    netlink_ifindex(inside, target_ifname);
    close(inside);
    go_home(place);
    close(target);
  }
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
