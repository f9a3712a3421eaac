// The target's side of a port, which is the same whatever switch the port belongs to.
#ifndef FLOOR_TARGET_H
#define FLOOR_TARGET_H

struct mac {
  unsigned char bytes[6];
};

// Of the interface in the target.
extern const unsigned target_mtu;
extern const char target_ifname[];

int open_path(const char* path);

// Opens the namespace whose path is `targets` with the slot number behind.
int target_open(const char* targets, int slot);

struct mac target_mac(int slot);

// Asks for what the target has already: its links (without statistics) and its addresses.
void target_survey(int netlink);

// Gives the interface its addresses, sets it and the loopback up, and adds the default route. The thread is
// in the target's namespace. Nothing fills in the checksums of what Open vSwitch's userspace datapath
// forwards, so there the target does it; and it asks nobody there about its link-local address.
void target_configure(int netlink, int slot, int userspace_datapath);

#endif
