#define _GNU_SOURCE
#include "tap.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "netlink.h"
#include "target.h"

int control_connect(const char* path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0 || connect(fd, (struct sockaddr*)&address, sizeof address) < 0) die(path, errno);
  return fd;
}

// Sends one request, with a descriptor unless that is -1.
static void control_send(int control, const char* request, int descriptor) {
  union {
    struct cmsghdr header;
    char space[CMSG_SPACE(sizeof descriptor)];
  } rights = {
      .header = {.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof descriptor)}};
  struct iovec text = {.iov_base = (char*)request, .iov_len = strlen(request)};
  struct msghdr message = {.msg_iov = &text, .msg_iovlen = 1};
  if (descriptor >= 0) {
    memcpy(CMSG_DATA(&rights.header), &descriptor, sizeof descriptor);
    message.msg_control = &rights;
    message.msg_controllen = sizeof rights;
  }
  if (sendmsg(control, &message, 0) != (ssize_t)text.iov_len) die(request, errno);
}

// An answer is one short line.
static void control_await(int control) {
  char answer[4096];
  ssize_t size = recv(control, answer, sizeof answer - 1, 0);
  if (size <= 0) die("the switch", size < 0 ? errno : ECONNRESET);
  answer[size] = '\0';
  if (strncmp(answer, "ok", 2) != 0) {
    fprintf(stderr, "floor: %s", answer);
    die("the switch", EPROTO);
  }
}

// Opens a tap in the namespace that the thread is in.
static int open_tap(void) {
  struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | (short)IFF_TUN_EXCL};
  strcpy(request.ifr_name, target_ifname);
  int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0 || ioctl(fd, TUNSETIFF, &request) < 0) die("TUNSETIFF", errno);
  if (ioctl(fd, TUNSETPERSIST, 1) < 0) die("TUNSETPERSIST", errno);
  return fd;
}

static void set_tap(const struct taps* taps, int fd, int slot, unsigned group) {
  char alias[128];
  int length = snprintf(alias, sizeof alias, "ecdock-fast floor vswitch=%s slot=%d target=netns:%s%d",
                        taps->vswitch, slot, taps->targets, slot);
  struct mac mac = target_mac(slot);
  struct ifinfomsg body = {0};
  struct request request;
  request_begin(&request, RTM_SETLINK, 0, &body, sizeof body);
  request_string(&request, IFLA_IFNAME, target_ifname);
  request_attribute(&request, IFLA_ADDRESS, &mac, sizeof mac);
  request_u32(&request, IFLA_MTU, target_mtu);
  request_u32(&request, IFLA_GROUP, group);
  request_attribute(&request, IFLA_IFALIAS, alias, length);
  netlink_do(fd, &request, "RTM_SETLINK tap");
}

static void delete_tap(int fd) {
  struct ifinfomsg body = {0};
  struct request request;
  request_begin(&request, RTM_DELLINK, 0, &body, sizeof body);
  request_string(&request, IFLA_IFNAME, target_ifname);
  netlink_do(fd, &request, "RTM_DELLINK tap");
}

static void go_home(const struct taps* taps) {
  if (setns(taps->home, CLONE_NEWNET) < 0) die("setns", errno);
}

void taps_plug(const struct taps* taps, unsigned group, int first, int count) {
  for (int slot = first; slot < first + count; slot++) {
    int target = target_open(taps->targets, slot);
    int inside = netlink_open_in(target);
    target_survey(inside);
    int tap = open_tap();
    set_tap(taps, inside, slot, group);
    char request[256];
    snprintf(request, sizeof request, "tap port=%d name=%s label=floor vnet=1\n", slot, target_ifname);
    control_send(taps->control, request, tap);
    close(tap);
    target_configure(inside, slot, 0);
    control_await(taps->control);
    netlink_ifindex(inside, target_ifname);  // it is asked for, which puts it into service
    close(inside);
    go_home(taps);
    close(target);
  }
}

void taps_unplug(const struct taps* taps, int first, int count) {
  for (int slot = first; slot < first + count; slot++) {
    char request[64];
    snprintf(request, sizeof request, "unplug port=%d\n", slot);
    control_send(taps->control, request, -1);
    control_await(taps->control);
    int target = target_open(taps->targets, slot);
    int inside = netlink_open_in(target);
    delete_tap(inside);
    close(inside);
    go_home(taps);
    close(target);
  }
}
