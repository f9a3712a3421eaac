#include "switch/console_text.h"

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <cstring>

#include "switch/version.h"

namespace ecdock::vde {

std::string console_banner() { return std::string("VDE switch V.2.3.2 (ecdock-switch ") + kVersion + ")\n"; }

std::string console_result(int err) {
  return err == 0 ? "1000 Success\n" : console_format("1%03d %s\n", err, std::strerror(err));
}

std::string console_format(const char* format, ...) {
  char text[512];
  va_list arguments;
  va_start(arguments, format);
  const int length = std::vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  return std::string(text, length < 0 ? 0 : std::min(static_cast<size_t>(length), sizeof text - 1));
}

}  // namespace ecdock::vde
