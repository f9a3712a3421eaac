// The kinds of traffic.
#ifndef LOAD_FLOWS_H
#define LOAD_FLOWS_H

#include <netinet/in.h>

// From one network namespace to the other.
struct path {
  const char* from;
  const char* to;
  struct sockaddr_in to_address;
};

long long tcp(const struct path* path, int ms);
long long udp(const struct path* path, int rate, int ms);
long long vde(const char* directory, int ms);

#endif
