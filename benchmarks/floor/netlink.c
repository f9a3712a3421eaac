#define _GNU_SOURCE
#include "netlink.h"

#include <errno.h>
#include <linux/if_link.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef SOL_NETLINK
#define SOL_NETLINK 270
#endif

void die(const char* what, int error) {
  fprintf(stderr, "floor: %s: %s\n", what, strerror(error));
  exit(1);
}

static void append(struct request* request, const void* data, size_t length) {
  size_t end = NLMSG_ALIGN(request->header.nlmsg_len);
  if (end + NLMSG_ALIGN(length) > sizeof *request) die("a message that is too long", EMSGSIZE);
  memset((char*)request + end, 0, NLMSG_ALIGN(length));
  if (length > 0) memcpy((char*)request + end, data, length);
  request->header.nlmsg_len = end + length;
}

void request_begin(struct request* request, int type, int flags, const void* body, size_t length) {
  static unsigned sequence;
  request->header = (struct nlmsghdr){.nlmsg_len = NLMSG_HDRLEN,
                                      .nlmsg_type = type,
                                      .nlmsg_flags = NLM_F_REQUEST | flags,
                                      .nlmsg_seq = ++sequence};
  append(request, body, length);
}

void request_attribute(struct request* request, int type, const void* data, size_t length) {
  struct rtattr attribute = {.rta_len = RTA_LENGTH(length), .rta_type = type};
  append(request, &attribute, sizeof attribute);
  append(request, data, length);
}

void request_u32(struct request* request, int type, unsigned value) {
  request_attribute(request, type, &value, sizeof value);
}

void request_string(struct request* request, int type, const char* text) {
  request_attribute(request, type, text, strlen(text) + 1);
}

struct rtattr* request_nest(struct request* request, int type, const void* body, size_t length) {
  struct rtattr* nest = (struct rtattr*)((char*)request + NLMSG_ALIGN(request->header.nlmsg_len));
  request_attribute(request, type, body, length);
  return nest;
}

void request_nest_end(struct request* request, struct rtattr* nest) {
  nest->rta_len = (char*)request + request->header.nlmsg_len - (char*)nest;
}

int netlink_open(void) {
  int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
  if (fd < 0) die("socket", errno);
  int on = 1;
  setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof on);
  setsockopt(fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &on, sizeof on);
  return fd;
}

int netlink_open_in(int netns) {
  if (setns(netns, CLONE_NEWNET) < 0) die("setns", errno);
  return netlink_open();
}

// Sends the request and receives one datagram, which both an acknowledgement and RTM_NEWLINK fit into.
static struct nlmsghdr* exchange(int fd, struct request* request, const char* what) {
  static char answer[32768] __attribute__((aligned(NLMSG_ALIGNTO)));
  if (send(fd, request, request->header.nlmsg_len, 0) < 0) die(what, errno);
  for (;;) {
    ssize_t length = recv(fd, answer, sizeof answer, 0);
    if (length < 0 && errno == EINTR) continue;
    if (length < 0) die(what, errno);
    struct nlmsghdr* header = (struct nlmsghdr*)answer;
    if (!NLMSG_OK(header, length)) die(what, EBADMSG);
    if (header->nlmsg_seq != request->header.nlmsg_seq) continue;
    if (header->nlmsg_type == NLMSG_ERROR) {
      int error = ((struct nlmsgerr*)NLMSG_DATA(header))->error;
      if (error != 0) die(what, -error);
    }
    return header;
  }
}

void netlink_do(int fd, struct request* request, const char* what) {
  request->header.nlmsg_flags |= NLM_F_ACK;
  exchange(fd, request, what);
}

void netlink_dump(int fd, struct request* request, const char* what) {
  static char answer[65536] __attribute__((aligned(NLMSG_ALIGNTO)));
  request->header.nlmsg_flags |= NLM_F_DUMP;
  if (send(fd, request, request->header.nlmsg_len, 0) < 0) die(what, errno);
  for (;;) {
    ssize_t length = recv(fd, answer, sizeof answer, 0);
    if (length < 0) die(what, errno);
    struct nlmsghdr* header = (struct nlmsghdr*)answer;
    for (; NLMSG_OK(header, length); header = NLMSG_NEXT(header, length)) {
      if (header->nlmsg_seq != request->header.nlmsg_seq) continue;
      if (header->nlmsg_type == NLMSG_DONE) return;
      if (header->nlmsg_type == NLMSG_ERROR) die(what, -((struct nlmsgerr*)NLMSG_DATA(header))->error);
    }
  }
}

int netlink_ifindex(int fd, const char* name) {
  struct request request;
  struct ifinfomsg body = {.ifi_family = AF_UNSPEC};
  request_begin(&request, RTM_GETLINK, 0, &body, sizeof body);
  request_string(&request, IFLA_IFNAME, name);
  request_u32(&request, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
  struct nlmsghdr* answer = exchange(fd, &request, "RTM_GETLINK");
  return ((struct ifinfomsg*)NLMSG_DATA(answer))->ifi_index;
}
