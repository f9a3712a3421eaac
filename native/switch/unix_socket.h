#pragma once

#include <sys/socket.h>
#include <sys/types.h>
#include <sys/un.h>

#include <string>
#include <vector>

#include "fd.h"
#include "result.h"

namespace ecdock::vde {

// The longest path that a socket address holds with its end.
inline constexpr size_t kMaxSocketPath = sizeof(sockaddr_un::sun_path) - 1;

inline constexpr gid_t kNoGroup = static_cast<gid_t>(-1);

// ENAMETOOLONG when it does not fit. An abstract name (a zero byte first) is padded with zeros to the full
// length, as libvdeplug does it.
Result<sockaddr_un> socket_address(const std::string& path);

// A stream socket that listens at `path`, nonblocking. Its mode and group are right from the beginning. A
// socket file that nobody serves any more is replaced; EADDRINUSE when somebody does, or when there is
// something else.
Result<Fd> listen_at(const std::string& path, mode_t mode, gid_t group = kNoGroup);

// Binds an unbound socket; the file has exactly `mode`. EADDRINUSE when the path is taken.
Status bind_at(int fd, const std::string& path, mode_t mode);

// Connects; EAGAIN when the other side's queue is full.
Status connect_to(int fd, const std::string& path);

// Who is at the other end of a stream connection.
Result<ucred> peer_of(int fd);

// The groups of its user, the first and the others.
std::vector<gid_t> groups_of_peer(int fd, const ucred& peer);

// Removes the file when it is a socket.
void unlink_socket(const std::string& path);

}  // namespace ecdock::vde
