// The rtnetlink messages of ports, in the order in which ecdock-fast sends them.
#ifndef FLOOR_PORT_H
#define FLOOR_PORT_H

// Where ports are made. `home` is the namespace that the program goes back to.
struct place {
  int home;
  // Path of the namespace with the Linux bridge; NULL for Open vSwitch, whose ports belong at home.
  const char* netns;
  const char* bridge;
  // Of the Linux bridge; 0 for Open vSwitch, which takes ports by their names.
  int bridge_ifindex;
  // Target namespaces are these paths with the slot number behind.
  const char* targets;
  // Of each end; 0 leaves it to the kernel, which since 5.14 makes one for each processor.
  unsigned queues;
};

// Plugs slots of 10.0.0.0/16 into the target namespaces of the same numbers. The host ends join `group`.
void ports_plug(const struct place* place, unsigned group, int first, int count);

// One RTM_DELLINK for each.
void ports_unplug(const struct place* place, int first, int count);

// Puts ports into a group, one RTM_SETLINK for each.
void ports_regroup(const struct place* place, unsigned group, int first, int count);

// One RTM_DELLINK for all of a group.
void ports_delete_group(const struct place* place, unsigned group);

#endif
