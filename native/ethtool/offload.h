#pragma once

#include <string>

#include "result.h"

namespace ecdock::ethtool {

// Turns transmit checksum offload of a link in the calling thread's namespace off (ETHTOOL_STXCSUM in
// linux/ethtool.h), so that the sender's own stack fills in every checksum.
Status disable_tx_checksum(const std::string& name);

}  // namespace ecdock::ethtool
