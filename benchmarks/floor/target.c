#define _GNU_SOURCE
#include "target.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "netlink.h"

const unsigned target_mtu = 1500;
const char target_ifname[] = "eth0";

static const int prefix4 = 16;
static const int prefix6 = 64;

int open_path(const char* path) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) die(path, errno);
  return fd;
}

int target_open(const char* targets, int slot) {
  char path[256];
  snprintf(path, sizeof path, "%s%d", targets, slot);
  return open_path(path);
}

struct mac target_mac(int slot) {
  return (struct mac){{0x52, 0x00, 10, 0, slot >> 8, slot & 0xff}};
}

// What the target has already: its links (without statistics) and its addresses.
void target_survey(int fd) {
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

// For the namespace that the thread is in.
static void disable_tx_checksum(void) {
  struct ethtool_value wanted = {.cmd = ETHTOOL_STXCSUM, .data = 0};
  struct ifreq request = {.ifr_data = (char*)&wanted};
  strcpy(request.ifr_name, target_ifname);
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0 || ioctl(fd, SIOCETHTOOL, &request) < 0) die("SIOCETHTOOL", errno);
  close(fd);
}

void target_configure(int fd, int slot, int userspace_datapath) {
  const int loopback = 1;
  char text[64];
  int ifindex = netlink_ifindex(fd, target_ifname);
  snprintf(text, sizeof text, "10.0.%d.%d", slot >> 8, slot & 0xff);
  add_address(fd, ifindex, AF_INET, text, prefix4);
  snprintf(text, sizeof text, "2001:db8::10.0.%d.%d", slot >> 8, slot & 0xff);
  add_address(fd, ifindex, AF_INET6, text, prefix6);
  if (userspace_datapath) {
    disable_tx_checksum();
    // Before the kernel gives it, and asks all others whether they have it.
    snprintf(text, sizeof text, "fe80::5000:aff:fe00:%x", slot);
    add_address(fd, ifindex, AF_INET6, text, prefix6);
  }
  set_up(fd, loopback);
  set_up(fd, ifindex);
  add_default_route(fd, ifindex);
}
