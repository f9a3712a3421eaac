#pragma once

#include <string>

namespace ecdock::vde {

// One line, to stderr or the system's log. Bytes that are not printable are replaced. At most ten lines a
// second are written, since clients can cause them, and none waits for who reads: what there is no room for
// is lost, and the next line that is written says how many were.
void log_line(int priority, const std::string& text);

// Says where lines go from now on; what went elsewhere is not counted. Both open something, so that they are
// to be called before system calls are filtered.
void log_to_stderr();
void log_to_syslog();

}  // namespace ecdock::vde
