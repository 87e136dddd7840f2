#include "tools/cluster_options.h"

#include <sys/stat.h>

#include <fstream>
#include <sstream>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "client/config_keys.h"
#include "client/path.h"
#include "common/config.h"
#include "common/status_macros.h"

namespace cairn::tools {
namespace {

constexpr absl::string_view kDaemonPrefixes[] = {"cairn.namenode.", "cairn.datanode.",
                                                 "cairn.log."};

absl::StatusOr<Config> LoadConfig(const std::string& conf,
                                  const std::vector<std::string>& overrides,
                                  std::span<const ConfigKey> more) {
  KnownKeys keys(client::ClientConfigKeys());
  keys.Add(more);
  for (absl::string_view prefix : kDaemonPrefixes) keys.LeaveToOthers(prefix);
  const std::string path = ResolveConfDir(conf);
  struct stat info {};
  if (path.empty() || ::stat(path.c_str(), &info) != 0 || S_ISDIR(info.st_mode)) {
    return Config::Load(path, overrides, std::move(keys));
  }
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  if (!file) return absl::NotFoundError(absl::StrCat(path, ": cannot be read"));
  ASSIGN_OR_RETURN(auto properties, ParseConfigXml(text.str(), path));
  return Config::FromProperties({properties}, overrides, std::move(keys));
}

}  // namespace

absl::StatusOr<client::ClientOptions> TakeClusterOptions(std::vector<std::string>& args) {
  ASSIGN_OR_RETURN(ClusterConfig cluster, TakeClusterConfig(args, {}));
  return std::move(cluster.options);
}

absl::StatusOr<ClusterConfig> TakeClusterConfig(std::vector<std::string>& args,
                                                std::span<const ConfigKey> keys) {
  std::string conf;
  std::string fs;
  std::vector<std::string> overrides;
  size_t used = 0;
  while (used < args.size()) {
    const std::string& arg = args[used];
    std::string value;
    if (absl::StartsWith(arg, "-D") && arg.size() > 2) {
      overrides.push_back(arg.substr(2));
      ++used;
      continue;
    }
    if (arg != "-conf" && arg != "--conf" && arg != "-fs" && arg != "-D") break;
    if (used + 1 == args.size()) {
      return absl::InvalidArgumentError(absl::StrCat("Missing argument for option: ", arg));
    }
    value = args[used + 1];
    if (arg == "-fs") {
      fs = value;
    } else if (arg == "-D") {
      overrides.push_back(value);
    } else {
      conf = value;
    }
    used += 2;
  }
  args.erase(args.begin(), args.begin() + static_cast<ptrdiff_t>(used));
  ASSIGN_OR_RETURN(Config config, LoadConfig(conf, overrides, keys));
  ASSIGN_OR_RETURN(client::ClientOptions options, client::LoadClientOptions(config));
  if (!fs.empty()) {
    absl::StatusOr<std::string> uri = client::DefaultUri(fs);
    if (!uri.ok()) return absl::InvalidArgumentError(absl::StrCat("-fs ", uri.status().message()));
    options.default_uri = *std::move(uri);
  }
  // Somebody waits at a terminal; HDFS's shell gives up after as long.
  if (!config.IsSet("cairn.client.rpc.retry")) options.rpc_retry_time = absl::Seconds(10);
  return ClusterConfig{std::move(options), std::move(config)};
}

}  // namespace cairn::tools
