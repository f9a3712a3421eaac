#pragma once

#include <string>

#include "switch/endpoint.h"

namespace ecdock::vde {

// An endpoint's line of data in the answer to `list`.
std::string port_line(const Endpoint& endpoint);

const char* kind_name(Identity::Kind kind);

}  // namespace ecdock::vde
