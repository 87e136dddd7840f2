// libhdfs/conf.h - where the library finds core-site.xml and hdfs-site.xml, and which cluster is
// meant.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/config.h"

namespace cairn::libhdfs {

// Directories that may hold the files: `conf_dir`, then those of a Java class path, in which the
// other entries do not matter. None need exist.
std::vector<std::string> ConfDirs(absl::string_view conf_dir, absl::string_view class_path);

// Of each of the two files the first one in `dirs` counts, and `overrides` ("key=value") over both.
// kInvalidArgument: a value cannot be used.
absl::StatusOr<Config> LoadConf(const std::vector<std::string>& dirs,
                                const std::vector<std::string>& overrides);

// The same with what the environment says: HADOOP_CONF_DIR and CLASSPATH.
absl::StatusOr<Config> LoadConf(const std::vector<std::string>& overrides = {});

// "hdfs://host[:port]" of what a caller named, as hdfsBuilderSetNameNode has it; `port` 0 is none.
// kInvalidArgument: two ports, or no host and no default. ENOTSUP: another file system than HDFS,
// and the local one, which is what NULL means.
absl::StatusOr<std::string> ClusterUri(const char* namenode, uint16_t port,
                                       absl::string_view default_uri);

}  // namespace cairn::libhdfs
