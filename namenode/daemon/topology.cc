#include "namenode/daemon/topology.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/logging.h"
#include "common/status_macros.h"

namespace cairn::namenode {
namespace {

constexpr uint64_t kMaxHostFileBytes = 64 << 20;
constexpr size_t kMostNamed = 10;  // entries that a log line names

constexpr char kTableKey[] = "net.topology.table.file.name";
constexpr char kScriptKey[] = "net.topology.script.file.name";
constexpr char kMappingKey[] = "net.topology.node.switch.mapping.impl";
constexpr char kIncludeKey[] = "dfs.hosts";
constexpr char kExcludeKey[] = "dfs.hosts.exclude";
constexpr char kProviderKey[] = "dfs.namenode.hosts.provider.classname";

// A file that is missing at the start is a mistake in the configuration: it names the key.
absl::Status CheckReadable(const Config& config, absl::string_view key, const std::string& path,
                           int how = R_OK) {
  if (path.empty() || ::access(path.c_str(), how) == 0) return absl::OkStatus();
  return config.Reject(key, absl::StrCat(path, ": ", std::strerror(errno)));
}

constexpr char kBlockManagement[] = "org.apache.hadoop.hdfs.server.blockmanagement.";

}  // namespace

absl::StatusOr<Topology::HostFiles> Topology::ReadHostKeys(const Config& config) {
  HostFiles files;
  ASSIGN_OR_RETURN(files.include, config.GetString(kIncludeKey));
  ASSIGN_OR_RETURN(files.exclude, config.GetString(kExcludeKey));
  ASSIGN_OR_RETURN(const std::string provider, config.GetString(kProviderKey));
  files.json = provider == absl::StrCat(kBlockManagement, "CombinedHostFileManager");
  if (!files.json && !provider.empty() &&
      provider != absl::StrCat(kBlockManagement, "HostFileManager")) {
    return config.Reject(kProviderKey,
                         absl::StrCat("expected ", kBlockManagement, "HostFileManager or ",
                                      kBlockManagement, "CombinedHostFileManager"));
  }
  if (files.json && !files.exclude.empty()) {
    return config.Reject(
        kExcludeKey, absl::StrCat("the one file of ", kIncludeKey, " says who is to leave, since ",
                                  kProviderKey, " is CombinedHostFileManager: leave this out"));
  }
  RETURN_IF_ERROR(CheckReadable(config, kIncludeKey, files.include));
  RETURN_IF_ERROR(CheckReadable(config, kExcludeKey, files.exclude));
  return files;
}

absl::StatusOr<RackFinder::Options> Topology::ReadRackKeys(const Config& config) {
  RackFinder::Options options;
  ASSIGN_OR_RETURN(options.table_file, config.GetString(kTableKey));
  ASSIGN_OR_RETURN(options.script, config.GetString(kScriptKey));
  ASSIGN_OR_RETURN(options.script_arguments, config.GetInt("net.topology.script.number.args"));
  ASSIGN_OR_RETURN(const std::string mapping, config.GetString(kMappingKey));
  const std::string net = "org.apache.hadoop.net.";
  if (mapping.empty()) {
    if (!options.table_file.empty() && !options.script.empty()) {
      return config.Reject(kScriptKey,
                           absl::StrCat(kTableKey, " is set as well: say which by ", kMappingKey));
    }
  } else if (mapping == net + "TableMapping") {
    options.script.clear();
  } else if (mapping == net + "ScriptBasedMapping" || mapping == net + "CachedDNSToSwitchMapping") {
    if (options.script.empty() && !options.table_file.empty()) {
      LOG_WARN("{} is not read: {} is {}, and {} is not set: all datanodes are in {}", kTableKey,
               kMappingKey, mapping, kScriptKey, kDefaultRack);
    }
    options.table_file.clear();
  } else {
    return config.Reject(
        kMappingKey, absl::StrCat("expected ", net, "ScriptBasedMapping, ", net, "TableMapping or ",
                                  net, "CachedDNSToSwitchMapping"));
  }
  RETURN_IF_ERROR(CheckReadable(config, kTableKey, options.table_file));
  RETURN_IF_ERROR(CheckReadable(config, kScriptKey, options.script, X_OK));
  return options;
}

Topology::Topology(ClusterState& cluster, HostFiles files, RackFinder::Options racks)
    : cluster_(cluster),
      files_(std::move(files)),
      racks_(std::move(racks), PosixFileSystem(), SystemClock(),
             [&cluster](std::shared_ptr<const RackTable> table) {
               cluster.SetRacks(std::move(table));
             }) {}

absl::StatusOr<std::unique_ptr<Topology>> Topology::Start(const Config& config,
                                                          ClusterState& cluster) {
  ASSIGN_OR_RETURN(HostFiles files, ReadHostKeys(config));
  ASSIGN_OR_RETURN(RackFinder::Options racks, ReadRackKeys(config));
  std::unique_ptr<Topology> topology(new Topology(cluster, std::move(files), std::move(racks)));
  RETURN_IF_ERROR(topology->Load());
  topology->racks_.Start();
  return topology;
}

absl::StatusOr<HostRules> Topology::ReadHostRules() const {
  FileSystem& fs = PosixFileSystem();
  std::string include, exclude;
  if (!files_.include.empty()) {
    ASSIGN_OR_RETURN(include, fs.ReadAll(files_.include, kMaxHostFileBytes));
  }
  if (files_.json) return HostRules::ParseJson(include, files_.include);
  if (!files_.exclude.empty()) {
    ASSIGN_OR_RETURN(exclude, fs.ReadAll(files_.exclude, kMaxHostFileBytes));
  }
  return HostRules::ParseLists(include, files_.include, exclude, files_.exclude);
}

absl::Status Topology::Load() {
  ASSIGN_OR_RETURN(HostRules rules, ReadHostRules());
  RETURN_IF_ERROR(racks_.Load());
  std::vector<DatanodeAddress> addresses;
  for (const DatanodeInfo& node : cluster_.Nodes()) addresses.push_back(node.address);
  std::vector<std::string> unmatched = rules.Unmatched(addresses);
  const size_t count = unmatched.size();
  unmatched.resize(std::min(count, kMostNamed));
  if (!addresses.empty() && count > 0) {
    LOG_WARN("{} entries of the hosts files name no datanode that is known: {}{}", count,
             absl::StrJoin(unmatched, ", "), count > kMostNamed ? ", ..." : "");
  }
  cluster_.SetHostRules(std::make_shared<const HostRules>(std::move(rules)));
  return absl::OkStatus();
}

absl::Status Topology::Refresh() {
  if (refreshing_.exchange(true)) {
    return absl::UnavailableError("the hosts files are being read again already: try again");
  }
  const absl::Cleanup done = [this] { refreshing_ = false; };
  return Load();
}

}  // namespace cairn::namenode
