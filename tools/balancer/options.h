// tools/balancer/options.h - the command line of `cairn balancer`, which is that of `hdfs
// balancer`, and the keys that it reads.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/admin_types.h"
#include "common/config.h"

namespace cairn::tools {

struct BalancerOptions {
  client::BalanceJob job;
  int idle_iterations = 5;  // in a row, after which it gives up; -1: never
  bool json = false;
  std::vector<std::string> remarks;  // about options that are accepted and change nothing
};

std::span<const ConfigKey> BalancerConfigKeys();

// kInvalidArgument: HDFS's words for what is wrong, as far as it has some.
absl::StatusOr<BalancerOptions> ParseBalancerOptions(const std::vector<std::string>& args,
                                                     const Config& config);

// The text that bad usage prints.
extern const char kBalancerUsage[];

}  // namespace cairn::tools
