#include <errno.h>
#include <netinet/ip_icmp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "flows.h"
#include "load.h"

struct request {
  struct icmphdr header;
  char payload[56];  // as ping has it
};

// RFC 1071.
static unsigned short checksum(const void* data, size_t size) {
  const unsigned short* words = data;
  unsigned sum = 0;
  for (size_t i = 0; i < size / 2; i++) sum += words[i];
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  return (unsigned short)~sum;
}

// Waits for the answer to one request; what else comes is not for us.
static void await(int fd, const struct icmphdr* request) {
  struct {
    struct iphdr ip;
    struct icmphdr icmp;
    char rest[1500];
  } packet;
  for (;;) {
    ssize_t size = recv(fd, &packet, sizeof packet, 0);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) die("no answer to an echo request", errno);
    if ((size_t)size < sizeof packet.ip + sizeof packet.icmp) continue;
    if (packet.icmp.type == ICMP_ECHOREPLY && packet.icmp.un.echo.id == request->un.echo.id &&
        packet.icmp.un.echo.sequence == request->un.echo.sequence) {
      return;
    }
  }
}

long long echo(const struct path* path, int count) {
  int fd = socket_inside(path->from, SOCK_RAW, IPPROTO_ICMP);
  struct timeval patience = {.tv_sec = 2};
  if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) < 0) die("SO_RCVTIMEO", errno);
  if (connect(fd, (const struct sockaddr*)&path->to_address, sizeof path->to_address) < 0) die("ICMP", errno);
  struct request request = {.header = {.type = ICMP_ECHO}};
  request.header.un.echo.id = (unsigned short)getpid();
  const long long begin = now();
  for (int i = 0; i < count; i++) {
    request.header.un.echo.sequence = (unsigned short)i;
    request.header.checksum = 0;
    request.header.checksum = checksum(&request, sizeof request);
    if (send(fd, &request, sizeof request, 0) < 0) die("ICMP, sending", errno);
    await(fd, &request.header);
  }
  const long long took = now() - begin;
  close(fd);
  return took / count;
}
