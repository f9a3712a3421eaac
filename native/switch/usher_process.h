#pragma once

#include <sys/types.h>

namespace ecdock::vde {

// The usher's side of the pair: answers questions until the switch has closed its own. Each is answered by a
// process of its own, which is ended when it takes longer than a second: the path may lead into a file system
// that somebody has made for that. One user has at most four at a time (EBUSY), so that the others have their
// turn. `parent` is the switch.
// That goes on in a process of its own, too, for which another one takes its place when it has ended. Here is
// only waited for that: the switch, which has given up its privileges, could start none.
[[noreturn]] void usher_process(int socket, pid_t parent);

}  // namespace ecdock::vde
