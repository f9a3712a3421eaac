#pragma once

#include <sys/types.h>

namespace ecdock::vde {

// The usher's side of the pair: answers questions until the switch has closed its own. Each is answered by a
// process of its own, which is ended when it takes longer than a second: the path may lead into a file system
// that somebody has made for that. One user has at most four at a time (EBUSY), so that the others have their
// turn. `parent` is the switch.
// A second process answers the questions; this one only waits for it, and starts another when it was killed.
// The switch could not: it has given up its privileges.
[[noreturn]] void usher_process(int socket, pid_t parent);

}  // namespace ecdock::vde
