#pragma once

#include <string>

namespace ecdock::vde {

// What vde_switch's management console says around the commands' own words. Scripts look for the beginning of
// the banner, and wait for the prompt.

std::string console_banner();
inline constexpr char kConsolePrompt[] = "\nvde$ ";
inline constexpr char kConsoleDataBegin[] = "0000 DATA END WITH '.'\n";
inline constexpr char kConsoleDataEnd[] = ".\n";
inline constexpr char kConsoleEnd[] = "9999 END OF SESSION";

// `1000 Success`, or the errno and its text.
std::string console_result(int err);

// printf, into a string.
std::string console_format(const char* format, ...) __attribute__((format(printf, 1, 2)));

}  // namespace ecdock::vde
