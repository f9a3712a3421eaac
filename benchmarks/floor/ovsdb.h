// Just enough of OVSDB's protocol (RFC 7047) to put ports on an Open vSwitch bridge: fixed JSON text out, and
// a look for an error in what comes back.
#ifndef FLOOR_OVSDB_H
#define FLOOR_OVSDB_H

struct ovsdb {
  int fd;
  const char* bridge;
  // The bridge's own port, which stays when all others go.
  char local_port[64];
};

void ovsdb_connect(struct ovsdb* ovsdb, const char* socket, const char* bridge);

// Inserts `count` ports in one transaction and waits until ovs-vswitchd has taken them in.
void ovsdb_add_ports(const struct ovsdb* ovsdb, int first, int count);

// Takes all ports out but the bridge's own, in one transaction, and waits in the same way.
void ovsdb_remove_ports(const struct ovsdb* ovsdb);

#endif
