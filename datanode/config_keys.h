// datanode/config_keys.h - every configuration key that the datanode reads, and what it makes of
// them.
#pragma once

#include <span>
#include <string>

#include "absl/status/statusor.h"
#include "common/config.h"
#include "datanode/datanode.h"

namespace cairn::datanode {

std::span<const ConfigKey> DatanodeConfigKeys();

// The keys above, with those of the other daemons left to them.
KnownKeys DatanodeKnownKeys();

// kInvalidArgument: an address or directory that cannot be used; the message names key and file.
absl::StatusOr<DatanodeOptions> OptionsFrom(const Config& config);

// host:port of the namenode's gRPC service.
absl::StatusOr<std::string> NamenodeAddress(const Config& config);

}  // namespace cairn::datanode
