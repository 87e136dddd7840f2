// tools/cluster_options.h - the options that every command talking to a cluster takes, and the
// configuration they lead to.
//
//   -conf DIR   directory of core-site.xml and hdfs-site.xml (else $HADOOP_CONF_DIR),
//               or one such file
//   -fs URI     the cluster, instead of fs.defaultFS
//   -D K=V      one key, over what the files say
#pragma once

#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/options.h"
#include "common/config.h"

namespace cairn::tools {

// Takes the options off the front of `args` and loads the configuration.
// kInvalidArgument: an option without its value, or a configuration that does not load.
absl::StatusOr<client::ClientOptions> TakeClusterOptions(std::vector<std::string>& args);

// The same with the configuration, for a command that reads `keys` as well.
struct ClusterConfig {
  client::ClientOptions options;
  Config config;
};
absl::StatusOr<ClusterConfig> TakeClusterConfig(std::vector<std::string>& args,
                                                std::span<const ConfigKey> keys);

}  // namespace cairn::tools
