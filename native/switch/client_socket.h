#pragma once

#include <sys/socket.h>

#include <string>

#include "fd.h"
#include "result.h"

namespace ecdock::vde {

// A datagram socket connected to the one that a VDE client has named; nonblocking. The path must be absolute,
// and lead to a socket that belongs to the client's own user, unless that is root: else a client could have
// frames sent to a socket of somebody else. EACCES, ENOENT, EINVAL.
Result<Fd> connect_to_client(const std::string& path, const ucred& client);

}  // namespace ecdock::vde
