#pragma once

#include <string>

namespace ecdock::vde {

// To stderr until log_to_syslog(), then there. One line; bytes that are not printable are replaced, and at
// most ten lines a second are written, since clients can cause them.
void log_line(int priority, const std::string& text);
void log_to_syslog();

}  // namespace ecdock::vde
