#include <syslog.h>

#include <cerrno>
#include <cstdio>

#include "switch/background.h"
#include "switch/log.h"
#include "switch/options.h"
#include "switch/server.h"
#include "switch/version.h"

using namespace ecdock;
using namespace ecdock::vde;

namespace {

constexpr int kFailed = 1;
constexpr int kWrongCommandLine = 2;

int fail(int status, const Error& error) {
  std::fprintf(stderr, "ecdock-switch: %s\n", error.message.c_str());
  return status;
}

}  // namespace

int main(int argc, char* argv[]) {
  auto options = parse_options(argc, argv);
  if (!options.ok()) return fail(kWrongCommandLine, options.error());
  switch (options.value().wanted) {
    case Options::Wanted::help:
      std::fputs(kUsage, stdout);
      return 0;
    case Options::Wanted::version:
      std::printf("ecdock-switch %s\n", kVersion);
      return 0;
    case Options::Wanted::run:
      break;
  }
  Background background;
  if (options.value().daemon) {
    auto entered = Background::enter();
    if (!entered.ok()) return fail(kFailed, entered.error());
    background = std::move(entered.value());
    log_to_syslog();
  } else {
    log_to_stderr();
  }
  const bool daemon = options.value().daemon;
  const bool cables = options.value().cable;
  const Status served = cables ? serve_cables(std::move(options.value()), background)
                               : serve_switch(std::move(options.value()), background);
  if (served.ok()) return 0;
  // A daemon has lost its stderr once it was ready.
  if (daemon) log_line(LOG_ERR, served.error().message);
  return fail(kFailed, served.error());
}
