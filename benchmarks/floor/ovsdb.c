#define _GNU_SOURCE
#include "ovsdb.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "netlink.h"

enum { MOST_BYTES = 1 << 20 };
static char text[MOST_BYTES];
static size_t length;

static void begin(void) { length = 0; }

static void put(const char* format, ...) __attribute__((format(printf, 1, 2)));
static void put(const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  int added = vsnprintf(text + length, sizeof text - length, format, arguments);
  va_end(arguments);
  if (added < 0 || length + added >= sizeof text) die("OVSDB message", EMSGSIZE);
  length += added;
}

// Receives one JSON object into `text`. It is complete when its braces are, those in strings apart.
static void receive(int fd) {
  int depth = 0, in_string = 0, escaped = 0;
  length = 0;
  for (;;) {
    ssize_t got = read(fd, text + length, sizeof text - 1 - length);
    if (got <= 0) die("OVSDB answer", got < 0 ? errno : EPIPE);
    for (ssize_t i = 0; i < got; i++) {
      char c = text[length + i];
      if (escaped) {
        escaped = 0;
      } else if (in_string) {
        escaped = c == '\\';
        in_string = c != '"';
      } else if (c == '"') {
        in_string = 1;
      } else if (c == '{') {
        depth++;
      } else if (c == '}' && --depth == 0) {
        text[length + i + 1] = '\0';
        return;
      }
    }
    length += got;
  }
}

// Sends what was put and leaves the answer in `text`. Errors of operations are inside the result (4.1.3).
static void transact(int fd) {
  for (size_t sent = 0; sent < length;) {
    ssize_t some = write(fd, text + sent, length - sent);
    if (some < 0) die("OVSDB request", errno);
    sent += some;
  }
  receive(fd);
  if (strstr(text, "\"error\":\"") != NULL) {
    fprintf(stderr, "floor: %.500s\n", text);
    die("OVSDB transaction", EPROTO);
  }
}

// What follows `key` in the answer.
static const char* after(const char* key) {
  const char* found = strstr(text, key);
  if (found == NULL) die(key, EPROTO);
  return found + strlen(key);
}

void ovsdb_connect(struct ovsdb* ovsdb, const char* path, const char* bridge) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
  ovsdb->bridge = bridge;
  ovsdb->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (ovsdb->fd < 0 || connect(ovsdb->fd, (struct sockaddr*)&address, sizeof address) < 0) die(path, errno);
  begin();
  put("{\"id\":0,\"method\":\"transact\",\"params\":[\"Open_vSwitch\",{\"op\":\"select\",\"table\":"
      "\"Bridge\","
      "\"where\":[[\"name\",\"==\",\"%s\"]],\"columns\":[\"ports\"]}]}",
      bridge);
  transact(ovsdb->fd);
  snprintf(ovsdb->local_port, sizeof ovsdb->local_port, "%.36s", after("[\"uuid\",\""));
}

// Ends the transaction with the next configuration number and waits until ovs-vswitchd has come to it.
static void commit(int fd) {
  put("{\"op\":\"mutate\",\"table\":\"Open_vSwitch\",\"where\":[],\"mutations\":[[\"next_cfg\",\"+=\",1]]},"
      "{\"op\":\"select\",\"table\":\"Open_vSwitch\",\"where\":[],\"columns\":[\"next_cfg\"]}]}");
  transact(fd);
  long next = strtol(after("\"next_cfg\":"), NULL, 10);
  begin();
  put("{\"id\":2,\"method\":\"transact\",\"params\":[\"Open_vSwitch\",{\"op\":\"wait\",\"timeout\":60000,"
      "\"table\":\"Open_vSwitch\",\"where\":[],\"columns\":[\"cur_cfg\"],\"until\":\"==\","
      "\"rows\":[{\"cur_cfg\":%ld}]}]}",
      next);
  transact(fd);
}

void ovsdb_add_ports(const struct ovsdb* ovsdb, int first, int count) {
  begin();
  put("{\"id\":1,\"method\":\"transact\",\"params\":[\"Open_vSwitch\",");
  for (int slot = first; slot < first + count; slot++) {
    put("{\"op\":\"insert\",\"table\":\"Interface\",\"uuid-name\":\"i%d\",\"row\":{\"name\":\"%s-s%d\","
        "\"ofport_request\":%d,\"external_ids\":[\"map\",[[\"attached-mac\",\"52:00:0a:00:%02x:%02x\"],"
        "[\"container_iface\",\"eth0\"]]]}},",
        slot, ovsdb->bridge, slot, slot, slot >> 8, slot & 0xff);
    put("{\"op\":\"insert\",\"table\":\"Port\",\"uuid-name\":\"p%d\",\"row\":{\"name\":\"%s-s%d\","
        "\"interfaces\":[\"named-uuid\",\"i%d\"]}},",
        slot, ovsdb->bridge, slot, slot);
  }
  put("{\"op\":\"mutate\",\"table\":\"Bridge\",\"where\":[[\"name\",\"==\",\"%s\"]],\"mutations\":[["
      "\"ports\","
      "\"insert\",[\"set\",[",
      ovsdb->bridge);
  for (int slot = first; slot < first + count; slot++) {
    put("%s[\"named-uuid\",\"p%d\"]", slot == first ? "" : ",", slot);
  }
  put("]]]]},");
  commit(ovsdb->fd);
}

void ovsdb_remove_ports(const struct ovsdb* ovsdb) {
  begin();
  put("{\"id\":1,\"method\":\"transact\",\"params\":[\"Open_vSwitch\",{\"op\":\"update\",\"table\":"
      "\"Bridge\","
      "\"where\":[[\"name\",\"==\",\"%s\"]],\"row\":{\"ports\":[\"uuid\",\"%s\"]}},",
      ovsdb->bridge, ovsdb->local_port);
  commit(ovsdb->fd);
}
