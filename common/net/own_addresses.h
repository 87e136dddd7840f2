// common/net/own_addresses.h - which addresses are this machine's.
#pragma once

#include <string>

#include "absl/container/flat_hash_set.h"

namespace cairn {

// Those of its interfaces now, as numbers; none if they cannot be had.
absl::flat_hash_set<std::string> OwnAddresses();

// Whether `ip` is one of `own`, or leads back here in any case (127.0.0.0/8).
bool IsOwnAddress(const std::string& ip, const absl::flat_hash_set<std::string>& own);

}  // namespace cairn
