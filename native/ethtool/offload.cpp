#include "ethtool/offload.h"

#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cerrno>

#include "fd.h"

namespace ecdock::ethtool {

Status disable_tx_checksum(const std::string& name) {
  const char* op = "tx checksum off";
  const Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket.valid()) return Error::from_errno(op, errno);
  ethtool_value wanted{ETHTOOL_STXCSUM, 0};
  ifreq request{};
  name.copy(request.ifr_name, IFNAMSIZ - 1);
  request.ifr_data = reinterpret_cast<char*>(&wanted);
  if (::ioctl(socket.get(), SIOCETHTOOL, &request) != 0) return Error::from_errno(op, errno);
  return Done{};
}

}  // namespace ecdock::ethtool
