#include "tap/tap.h"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sys/ioctl.h>

#include <cerrno>

namespace ecdock::tap {

Result<Fd> open_tap(const std::string& name, Existing existing) {
  const char* op = "tap open";
  if (name.empty() || name.size() >= IFNAMSIZ) return Error::from_errno(op, EINVAL);
  if (existing == Existing::kRequired && ::if_nametoindex(name.c_str()) == 0) {
    return Error::from_errno(op, ENODEV);
  }
  // The tap belongs to the namespace that the device is opened in.
  Fd fd(::open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK));
  if (!fd.valid()) return Error::from_errno(op, errno);
  ifreq request{};
  name.copy(request.ifr_name, IFNAMSIZ - 1);
  int flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
  if (existing == Existing::kRefused) flags |= IFF_TUN_EXCL;
  request.ifr_flags = static_cast<short>(flags);
  if (::ioctl(fd.get(), TUNSETIFF, &request) != 0) return Error::from_errno("tap add", errno);
  if (::ioctl(fd.get(), TUNSETPERSIST, 1) != 0) return Error::from_errno("tap add", errno);
  return fd;
}

}  // namespace ecdock::tap
