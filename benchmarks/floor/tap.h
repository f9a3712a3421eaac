// A port of a VDE switch as ecdock-fast makes it: a tap in the target, handed to the switch's control socket.
#ifndef FLOOR_TAP_H
#define FLOOR_TAP_H

struct taps {
  // The namespace that the program goes back to.
  int home;
  // Connected to the switch's control socket.
  int control;
  // Of the vswitch, for the mark that each tap carries.
  const char* vswitch;
  // Target namespaces are these paths with the slot number behind.
  const char* targets;
};

// Connects to the control socket of an ecdock-switch.
int control_connect(const char* path);

// Plugs slots of 10.0.0.0/16 into the target namespaces of the same numbers. The taps join `group`.
void taps_plug(const struct taps* taps, unsigned group, int first, int count);

// Takes each out of the switch and deletes it.
void taps_unplug(const struct taps* taps, int first, int count);

#endif
