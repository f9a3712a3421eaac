#pragma once

#include <string>

#include "switch/endpoint.h"

namespace ecdock::vde {

// An endpoint's line of data in the answer to `list`.
std::string port_line(const Endpoint& endpoint);

// What those who watch are told.
std::string port_added_line(PortNumber number, const Identity& identity);
std::string port_removed_line(PortNumber number, const std::string& reason);

const char* kind_name(Identity::Kind kind);

}  // namespace ecdock::vde
