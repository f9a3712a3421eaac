// Two clients of a VDE switch. The protocol is that of vde-2's datasock.c: one request over the stream socket
// `ctl`, whose answer names the datagram socket that takes this client's frames.
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "flows.h"
#include "load.h"

enum { FRAME = 64, MAC = 6 };

struct plug_request {
  uint32_t magic;
  uint32_t version;
  uint32_t type;
  struct sockaddr_un client;
  char description[4];
} __attribute__((packed));

struct client {
  int ctl;   // as long as it is open, the client is plugged in
  int data;  // one datagram is one frame
  unsigned char mac[MAC];
};

static struct client plug(const char* directory, int number) {
  struct client client = {.mac = {0x52, 0x54, 0, 0, 0, (unsigned char)number}};
  struct sockaddr_un own = {.sun_family = AF_UNIX};
  snprintf(own.sun_path, sizeof own.sun_path, "%.80s.load.%d.%d", directory, getpid(), number);
  struct plug_request request = {
      .magic = 0xfeedface, .version = 3, .client = own, .description = {'l', 'o', 'a', 'd'}};
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  snprintf(address.sun_path, sizeof address.sun_path, "%s/ctl", directory);
  client.ctl = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  client.data = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (client.ctl < 0 || client.data < 0) die("socket", errno);
  if (bind(client.data, (struct sockaddr*)&own, sizeof own) < 0) die("bind", errno);
  if (connect(client.ctl, (struct sockaddr*)&address, sizeof address) < 0) die(directory, errno);
  if (send(client.ctl, &request, sizeof request, 0) != sizeof request) die("VDE request", errno);
  if (recv(client.ctl, &address, sizeof address, MSG_WAITALL) != sizeof address)
    die("VDE answer", ECONNREFUSED);
  if (connect(client.data, (struct sockaddr*)&address, sizeof address) < 0) die("VDE switch", errno);
  unlink(own.sun_path);
  return client;
}

static void unplug(const struct client* client) {
  close(client->data);
  close(client->ctl);
}

// An Ethernet frame of the local experimental type (IEEE 802, 0x88b5).
static void fill(unsigned char frame[FRAME], const unsigned char to[MAC], const unsigned char from[MAC]) {
  memset(frame, 0, FRAME);
  memcpy(frame, to, MAC);
  memcpy(frame + MAC, from, MAC);
  frame[2 * MAC] = 0x88;
  frame[2 * MAC + 1] = 0xb5;
}

struct flow {
  struct client from;
  struct client to;
  long long end;
};

static void* sender(void* argument) {
  const struct flow* flow = argument;
  unsigned char frame[FRAME];
  fill(frame, flow->to.mac, flow->from.mac);
  while (now() < flow->end) {
    // Waits while the switch has no room for it.
    if (send(flow->from.data, frame, sizeof frame, 0) < 0 && errno != EINTR) die("VDE, sending", errno);
  }
  return NULL;
}

static long long receive(const struct flow* flow) {
  unsigned char frame[FRAME];
  long long frames = 0;
  while (now() < flow->end) {
    ssize_t size = recv(flow->to.data, frame, sizeof frame, 0);
    if (size < 0 && errno != EINTR && errno != EAGAIN) die("VDE, receiving", errno);
    if (size == FRAME && memcmp(frame, flow->to.mac, MAC) == 0) frames++;
  }
  return frames;
}

long long vde(const char* directory, int ms) {
  static const unsigned char everybody[MAC] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
  struct flow flow = {.from = plug(directory, 1), .to = plug(directory, 2)};
  struct timeval patience = {.tv_usec = 100000};
  setsockopt(flow.to.data, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  // So that the switch knows where each of them is.
  unsigned char frame[FRAME];
  fill(frame, everybody, flow.to.mac);
  if (send(flow.to.data, frame, sizeof frame, 0) < 0) die("VDE, sending", errno);
  if (recv(flow.from.data, frame, sizeof frame, 0) < 0) die("VDE, receiving", errno);

  const long long begin = now();
  flow.end = begin + ms * 1000000LL;
  pthread_t thread = begin_thread(sender, &flow);
  const long long frames = receive(&flow);
  const long long took = now() - begin;
  pthread_join(thread, NULL);
  unplug(&flow.from);
  unplug(&flow.to);
  return (long long)((double)frames * 1e9 / took);
}
