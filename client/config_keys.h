// client/config_keys.h - the configuration keys that libcairn reads, for programs that load a
// Config to hand to LoadClientOptions.
#pragma once

#include <span>

#include "common/config.h"

namespace cairn::client {

// Static storage.
std::span<const ConfigKey> ClientConfigKeys();

}  // namespace cairn::client
