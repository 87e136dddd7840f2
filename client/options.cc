#include "client/options.h"

#include <pwd.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "client/config_keys.h"
#include "client/mode.h"
#include "client/path.h"
#include "common/config.h"
#include "common/status_macros.h"
#include "common/user_groups.h"
#include "wire/transfer/checksum.h"

namespace cairn::client {
namespace {

constexpr int64_t kMaxReplication = 512;
constexpr int64_t kMaxPacketBytes = 8 << 20;  // datanodes take whole packets of up to 16 MiB

constexpr ConfigKey kKeys[] = {
    {"fs.defaultFS", ConfigType::kString, "", "cluster that paths without a scheme mean"},
    {"dfs.user", ConfigType::kString, "", "user name, before HADOOP_USER_NAME and the login"},
    {"dfs.replication", ConfigType::kInt, "3", "replicas of a new file", absl::Seconds(1), 1,
     kMaxReplication},
    {"dfs.blocksize", ConfigType::kSize, "128m", "block size of a new file", absl::Seconds(1), 512},
    {"dfs.bytes-per-checksum", ConfigType::kInt, "512", "bytes under one checksum",
     absl::Seconds(1), transfer::kMinBytesPerNewChecksum, transfer::kMaxBytesPerNewChecksum},
    {"dfs.client-write-packet-size", ConfigType::kSize, "64k", "data in one packet of a write",
     absl::Seconds(1), 512, kMaxPacketBytes},
    {"fs.permissions.umask-mode", ConfigType::kString, "022", "octal or symbolic umask"},
    {"dfs.client.use.datanode.hostname", ConfigType::kBool, "false",
     "dial datanodes by name instead of address"},
    {"dfs.checksum.combine.mode", ConfigType::kString, "MD5MD5CRC",
     "MD5MD5CRC or COMPOSITE_CRC: how -checksum sums up a file"},
    {"dfs.client.socket-timeout", ConfigType::kDuration, "60s",
     "wait for a datanode's bytes; 0: no limit", absl::Milliseconds(1), 0},
    {"dfs.datanode.socket.write.timeout", ConfigType::kDuration, "480s",
     "wait for a datanode to take bytes; 0: no limit", absl::Milliseconds(1), 0},
    {"dfs.client.datanode-restart.timeout", ConfigType::kDuration, "30s",
     "how long to wait for a datanode that says it restarts, if it is this machine's or the only "
     "one",
     absl::Seconds(1), 0},
    {"dfs.client.mark.slownode.as.badnode.threshold", ConfigType::kInt, "10",
     "seconds in a row after which a slow datanode of a pipeline is replaced; 0: never",
     absl::Seconds(1), 0, 1'000'000},
    {"cairn.client.slow.node.time", ConfigType::kDuration, "100ms",
     "mean time for a packet below which no datanode is slow", absl::Milliseconds(1), 1},
    {"cairn.client.pipeline.silence.limit", ConfigType::kDuration, "6s",
     "how long a datanode may be silent while it owes an answer in a write; 0: as long as "
     "dfs.client.socket-timeout says",
     absl::Seconds(1), 0, 3600},
    {"cairn.client.read.silence.limit", ConfigType::kDuration, "6s",
     "how long a datanode may be silent in a read before another replica is tried; 0: as long as "
     "dfs.client.socket-timeout says",
     absl::Seconds(1), 0, 3600},
    {"dfs.client.hedged.read.threadpool.size", ConfigType::kInt, "0",
     "replicas that positioned reads may read at a time, so as to ask another when one is slow; 0: "
     "off",
     absl::Seconds(1), 0, 10'000},
    {"dfs.client.hedged.read.threshold.millis", ConfigType::kDuration, "500ms",
     "after how long without its bytes such a read asks another replica, too",
     absl::Milliseconds(1), 1},
    {"ipc.client.rpc-timeout.ms", ConfigType::kDuration, "120s", "wait for a namenode's answer",
     absl::Milliseconds(1), 0},
    {"ipc.client.connect.timeout", ConfigType::kDuration, "20s", "wait for a connection",
     absl::Milliseconds(1), 1},
    {"dfs.client.retry.window.base", ConfigType::kDuration, "3s",
     "first pause when no replica could be read", absl::Milliseconds(1), 0},
    {"dfs.client.max.block.acquire.failures", ConfigType::kInt, "3",
     "rounds over all replicas before a read fails", absl::Seconds(1), 0, 1000},
    {"dfs.client.block.write.retries", ConfigType::kInt, "3",
     "new blocks tried when a pipeline cannot be set up", absl::Seconds(1), 0, 1000},
    {"dfs.client.write.exclude.nodes.cache.expiry.interval.millis", ConfigType::kDuration, "10m",
     "how long a stream puts nothing new on a datanode that failed it", absl::Milliseconds(1), 0},
    {"dfs.client.block.write.replace-datanode-on-failure.enable", ConfigType::kBool, "true",
     "give a block another datanode for one that failed, as .policy says"},
    {"dfs.client.block.write.replace-datanode-on-failure.policy", ConfigType::kString, "DEFAULT",
     "DEFAULT, ALWAYS or NEVER"},
    {"dfs.client.block.write.replace-datanode-on-failure.best-effort", ConfigType::kBool, "true",
     "go on with the datanodes that are left when there is no other"},
    {"dfs.client.block.write.replace-datanode-on-failure.min-replication", ConfigType::kInt, "0",
     "so many datanodes are enough to go on with when best-effort is off; 0: no number is",
     absl::Seconds(1), 0, kMaxReplication},
    {"dfs.client.socketcache.capacity", ConfigType::kInt, "16", "idle connections kept",
     absl::Seconds(1), 0, 100'000},
    {"dfs.client.socketcache.expiryMsec", ConfigType::kDuration, "3s", "life of an idle connection",
     absl::Milliseconds(1), 0},
    {"dfs.client.read.shortcircuit", ConfigType::kBool, "true",
     "read blocks from the files of a datanode of this machine"},
    {"dfs.client.read.shortcircuit.skip.checksum", ConfigType::kBool, "false",
     "without checking them"},
    {"dfs.domain.socket.path", ConfigType::kString, "/run/cairn/dn._PORT",
     "UNIX socket of such a datanode; _PORT: its port of data transfer; empty: none"},
    {"dfs.client.read.shortcircuit.streams.cache.size", ConfigType::kInt, "256",
     "replicas whose files are kept open", absl::Seconds(1), 0, 1'000'000},
    {"dfs.client.read.shortcircuit.streams.cache.expiry.ms", ConfigType::kDuration, "5m",
     "how long, after their last use", absl::Milliseconds(1), 0},
    {"fs.trash.interval", ConfigType::kDuration, "0",
     "minutes that deleted files stay in the trash, unless the server says", absl::Minutes(1), 0},
    {"cairn.client.rpc.retry", ConfigType::kDuration, "60s",
     "how long a call goes on being tried while no namenode can be reached", absl::Seconds(1), 0},
    {"cairn.client.tcp.congestion", ConfigType::kString, "",
     "TCP congestion control of data connections; empty: the system's, but reno within a machine"},
    {"cairn.client.write.packet.max", ConfigType::kSize, "1m",
     "data in a packet of a long write, unless dfs.client-write-packet-size is set",
     absl::Seconds(1), 512, kMaxPacketBytes},
    {"cairn.ec.small.file.bytes", ConfigType::kSize, "1m",
     "a file of no more bytes is replicated where the directory has an erasure coding policy; "
     "unset: a cell of the policy, 0: none is",
     absl::Seconds(1), 0, static_cast<int64_t>(kMaxSmallFileBytes)},
    {"cairn.client.write.window", ConfigType::kSize, "8m",
     "data of a stream that may be sent without acknowledgement", absl::Seconds(1), 64 << 10,
     int64_t{1} << 30},
};

// A time of which HDFS says that 0 means for ever.
absl::StatusOr<absl::Duration> GetTimeout(const Config& config, absl::string_view key) {
  ASSIGN_OR_RETURN(const absl::Duration timeout, config.GetDuration(key));
  return timeout == absl::ZeroDuration() ? absl::InfiniteDuration() : timeout;
}

absl::StatusOr<ReplaceNode> GetReplaceNode(const Config& config) {
  constexpr char kPolicy[] = "dfs.client.block.write.replace-datanode-on-failure.policy";
  ASSIGN_OR_RETURN(const bool enabled,
                   config.GetBool("dfs.client.block.write.replace-datanode-on-failure.enable"));
  ASSIGN_OR_RETURN(const std::string policy, config.GetString(kPolicy));
  if (!enabled || policy == "NEVER") return ReplaceNode::kNever;
  if (policy == "ALWAYS") return ReplaceNode::kAlways;
  if (policy == "DEFAULT") return ReplaceNode::kDefault;
  return config.Reject(kPolicy, "expected DEFAULT, ALWAYS or NEVER");
}

}  // namespace

std::span<const ConfigKey> ClientConfigKeys() { return kKeys; }

absl::StatusOr<ClientOptions> LoadClientOptions(const Config& config) {
  ClientOptions o;
  ASSIGN_OR_RETURN(const std::string uri, config.GetString("fs.defaultFS"));
  absl::StatusOr<std::string> default_uri = DefaultUri(uri);
  if (!default_uri.ok()) return config.Reject("fs.defaultFS", default_uri.status().message());
  o.default_uri = *std::move(default_uri);
  ASSIGN_OR_RETURN(o.user, config.GetString("dfs.user"));
  ASSIGN_OR_RETURN(o.replication, config.GetInt("dfs.replication"));
  ASSIGN_OR_RETURN(o.block_bytes, config.GetSize("dfs.blocksize"));
  ASSIGN_OR_RETURN(o.bytes_per_checksum, config.GetInt("dfs.bytes-per-checksum"));
  ASSIGN_OR_RETURN(o.write_packet_bytes, config.GetSize("dfs.client-write-packet-size"));
  ASSIGN_OR_RETURN(o.large_packet_bytes, config.GetSize("cairn.client.write.packet.max"));
  if (config.IsSet("dfs.client-write-packet-size") &&
      !config.IsSet("cairn.client.write.packet.max")) {
    o.large_packet_bytes = o.write_packet_bytes;
  }
  ASSIGN_OR_RETURN(const std::string umask, config.GetString("fs.permissions.umask-mode"));
  const absl::StatusOr<uint16_t> mask = ParseUmask(umask);
  if (!mask.ok()) return config.Reject("fs.permissions.umask-mode", mask.status().message());
  o.umask = *mask;
  ASSIGN_OR_RETURN(o.use_datanode_hostname, config.GetBool("dfs.client.use.datanode.hostname"));
  ASSIGN_OR_RETURN(const std::string combine, config.GetString("dfs.checksum.combine.mode"));
  if (combine == "COMPOSITE_CRC") {
    o.checksum_combine = ChecksumCombine::kComposite;
  } else if (combine != "MD5MD5CRC") {
    return config.Reject("dfs.checksum.combine.mode", "expected MD5MD5CRC or COMPOSITE_CRC");
  }
  ASSIGN_OR_RETURN(o.read_timeout, GetTimeout(config, "dfs.client.socket-timeout"));
  ASSIGN_OR_RETURN(o.write_timeout, GetTimeout(config, "dfs.datanode.socket.write.timeout"));
  ASSIGN_OR_RETURN(o.silence_limit, config.GetDuration("cairn.client.pipeline.silence.limit"));
  ASSIGN_OR_RETURN(o.read_silence_limit, GetTimeout(config, "cairn.client.read.silence.limit"));
  ASSIGN_OR_RETURN(o.hedged_read_threads, config.GetInt("dfs.client.hedged.read.threadpool.size"));
  ASSIGN_OR_RETURN(o.hedged_read_threshold,
                   config.GetDuration("dfs.client.hedged.read.threshold.millis"));
  ASSIGN_OR_RETURN(o.datanode_restart_timeout,
                   config.GetDuration("dfs.client.datanode-restart.timeout"));
  ASSIGN_OR_RETURN(o.slow_node_seconds,
                   config.GetInt("dfs.client.mark.slownode.as.badnode.threshold"));
  ASSIGN_OR_RETURN(o.slow_node_time, config.GetDuration("cairn.client.slow.node.time"));
  ASSIGN_OR_RETURN(o.rpc_timeout, config.GetDuration("ipc.client.rpc-timeout.ms"));
  ASSIGN_OR_RETURN(o.rpc_retry_time, config.GetDuration("cairn.client.rpc.retry"));
  ASSIGN_OR_RETURN(o.connect_timeout, config.GetDuration("ipc.client.connect.timeout"));
  ASSIGN_OR_RETURN(o.read_retry_window, config.GetDuration("dfs.client.retry.window.base"));
  ASSIGN_OR_RETURN(o.read_rounds, config.GetInt("dfs.client.max.block.acquire.failures"));
  ASSIGN_OR_RETURN(o.block_write_retries, config.GetInt("dfs.client.block.write.retries"));
  ASSIGN_OR_RETURN(
      o.excluded_node_expiry,
      config.GetDuration("dfs.client.write.exclude.nodes.cache.expiry.interval.millis"));
  ASSIGN_OR_RETURN(o.replace_node, GetReplaceNode(config));
  ASSIGN_OR_RETURN(
      o.replace_node_best_effort,
      config.GetBool("dfs.client.block.write.replace-datanode-on-failure.best-effort"));
  ASSIGN_OR_RETURN(
      o.replace_node_min_replication,
      config.GetInt("dfs.client.block.write.replace-datanode-on-failure.min-replication"));
  ASSIGN_OR_RETURN(o.peer_cache_capacity, config.GetInt("dfs.client.socketcache.capacity"));
  ASSIGN_OR_RETURN(o.peer_cache_expiry, config.GetDuration("dfs.client.socketcache.expiryMsec"));
  ASSIGN_OR_RETURN(o.trash_interval, config.GetDuration("fs.trash.interval"));
  ASSIGN_OR_RETURN(o.congestion_control, config.GetString("cairn.client.tcp.congestion"));
  ASSIGN_OR_RETURN(o.write_window_bytes, config.GetSize("cairn.client.write.window"));
  if (config.IsSet("cairn.ec.small.file.bytes")) {
    ASSIGN_OR_RETURN(o.small_file_bytes, config.GetSize("cairn.ec.small.file.bytes"));
  }
  ASSIGN_OR_RETURN(o.short_circuit, config.GetBool("dfs.client.read.shortcircuit"));
  ASSIGN_OR_RETURN(const bool skip, config.GetBool("dfs.client.read.shortcircuit.skip.checksum"));
  o.verify_local = !skip;
  ASSIGN_OR_RETURN(o.domain_socket_path, config.GetString("dfs.domain.socket.path"));
  ASSIGN_OR_RETURN(o.local_replicas,
                   config.GetInt("dfs.client.read.shortcircuit.streams.cache.size"));
  ASSIGN_OR_RETURN(o.local_replica_expiry,
                   config.GetDuration("dfs.client.read.shortcircuit.streams.cache.expiry.ms"));
  o.prefetch_bytes = 10 * o.block_bytes;
  return o;
}

std::string LoginUser() {
  const char* forced = std::getenv("HADOOP_USER_NAME");
  if (forced != nullptr && *forced != '\0') return forced;
  return ProcessUserName();
}

}  // namespace cairn::client
