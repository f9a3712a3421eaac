// Just enough rtnetlink (RFC 3549, linux/rtnetlink.h) to send a message and wait for its answer.
#ifndef FLOOR_NETLINK_H
#define FLOOR_NETLINK_H

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stddef.h>

struct request {
  struct nlmsghdr header;
  char body[1024];
};

// Prints what failed and ends the program: a floor that fails is no floor.
void die(const char* what, int error) __attribute__((noreturn));

void request_begin(struct request* request, int type, int flags, const void* body, size_t length);
void request_attribute(struct request* request, int type, const void* data, size_t length);
void request_u32(struct request* request, int type, unsigned value);
void request_string(struct request* request, int type, const char* text);
struct rtattr* request_nest(struct request* request, int type, const void* body, size_t length);
void request_nest_end(struct request* request, struct rtattr* nest);

int netlink_open(void);

// Enters the namespace behind the descriptor and opens a netlink socket there; the thread stays inside.
int netlink_open_in(int netns);

// Sends the request and waits for its acknowledgement.
void netlink_do(int socket, struct request* request, const char* what);

// Asks for all of something and reads it to its end.
void netlink_dump(int socket, struct request* request, const char* what);

// RTM_GETLINK by name: the interface's index.
int netlink_ifindex(int socket, const char* name);

#endif
