// The rtnetlink messages of one port, in the order in which ecdock-fast sends them.
#ifndef FLOOR_PORT_H
#define FLOOR_PORT_H

// Where ports are made. `home` is the namespace that the program goes back to.
struct place {
  int home;
  // Path of the namespace with the switch.
  const char *netns;
  // The Linux bridge there.
  const char *bridge;
  int bridge_ifindex;
  // Target namespaces are these paths with the slot number behind.
  const char *targets;
};

// Slot N of 10.0.0.0/16 in the target namespace of that number. The host end joins `group`.
void port_plug(const struct place *place, int slot, unsigned group);

// One RTM_DELLINK.
void port_unplug(const struct place *place, int slot);

// Puts `count` ports from `first` on into a group, one RTM_SETLINK each.
void ports_regroup(const struct place *place, int first, int count, unsigned group);

// One RTM_DELLINK for all of a group.
void ports_delete_group(const struct place *place, unsigned group);

#endif
