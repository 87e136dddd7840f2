// client/options.h - how libcairn behaves: the dfs.* keys of Hadoop's configuration that matter to
// a client, under names of their own.
//
// Every field that HDFS has too has its default. LoadClientOptions fills those that name a key from
// core-site.xml and hdfs-site.xml; an infinite time-out stands for "no limit".
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "client/types.h"

namespace cairn {
class Config;
}

namespace cairn::client {

// When a block that is being written and has lost a datanode gets another one.
enum class ReplaceNode : uint8_t {
  kNever,
  kDefault,  // of 3 replicas or more: when half or fewer are left, or after a flush or append
  kAlways,
};

struct ClientOptions {
  std::string user;         // empty: HADOOP_USER_NAME, else the login name
  std::string default_uri;  // fs.defaultFS

  uint32_t replication = 3;                // dfs.replication
  uint64_t block_bytes = 128ull << 20;     // dfs.blocksize
  uint32_t bytes_per_checksum = 512;       // dfs.bytes-per-checksum
  uint32_t write_packet_bytes = 64 << 10;  // dfs.client-write-packet-size: data in one packet
  // Packets grow to this once a stream has sent a megabyte without flushing: half the CPU per byte.
  uint32_t large_packet_bytes = 1 << 20;  // cairn.client.write.packet.max
  uint64_t write_window_bytes = 8 << 20;  // data sent and not yet acknowledged, per stream
  // Every stream has the datanodes sync each block at its end, as if Hsync had been called first:
  // an Hsync then holds for all of the file before it. No key.
  bool sync_blocks = false;
  // cairn.ec.small.file.bytes: a file of no more bytes is replicated, though its directory has an
  // erasure coding policy; nullopt: a cell of the policy, 0: none is. A stream keeps so many in
  // memory.
  std::optional<uint64_t> small_file_bytes;
  uint16_t umask = 022;                // fs.permissions.umask-mode
  bool use_datanode_hostname = false;  // dfs.client.use.datanode.hostname
  bool verify_checksums = true;        // off: no checksum is sent or checked on reads
  ChecksumCombine checksum_combine = ChecksumCombine::kMd5OfMd5;  // dfs.checksum.combine.mode

  absl::Duration connect_timeout = absl::Seconds(20);
  // The same for a read, as long as another replica has not been tried: a machine that is cut off
  // answers nothing, and one that lost two packets does within this. No key.
  absl::Duration read_connect_timeout = absl::Seconds(4);
  // cairn.client.read.silence.limit: the same for a datanode that owes bytes. read_timeout counts
  // once all replicas have been tried; zero: always.
  absl::Duration read_silence_limit = absl::Seconds(6);
  // dfs.client.hedged.read.threadpool.size: replicas read at a time by ReadAt with hedging; 0: off.
  uint32_t hedged_read_threads = 0;
  // dfs.client.hedged.read.threshold.millis: after so long another replica is asked as well.
  absl::Duration hedged_read_threshold = absl::Milliseconds(500);
  // cairn.client.pipeline.silence.limit: how long a datanode that gives signs of life may be silent
  // while it owes an answer; zero: it is asked for none, and read_timeout counts.
  absl::Duration silence_limit = absl::Seconds(6);
  // dfs.client.datanode-restart.timeout: how long a datanode that said it restarts is waited for.
  absl::Duration datanode_restart_timeout = absl::Seconds(30);
  // dfs.client.mark.slownode.as.badnode.threshold: seconds in a row after which a node that holds
  // the others of a pipeline up is replaced, if there is another; 0: never.
  int slow_node_seconds = 10;
  absl::Duration slow_node_time = absl::Milliseconds(100);  // cairn.client.slow.node.time
  absl::Duration read_timeout = absl::Seconds(60);          // dfs.client.socket-timeout
  absl::Duration write_timeout = absl::Seconds(480);        // dfs.datanode.socket.write.timeout
  absl::Duration rpc_timeout = absl::Seconds(120);          // ipc.client.rpc-timeout.ms; zero: none
  // cairn.client.rpc.retry: how long a call goes on without a namenode. Outlasts its restart.
  absl::Duration rpc_retry_time = absl::Seconds(60);
  // Counts the calls that are sent again; null: nobody does. No key.
  std::shared_ptr<std::atomic<uint64_t>> rpc_retries;
  // No keys, as in HDFS: every client agrees on them with every namenode.
  absl::Duration lease_renewal = absl::Seconds(30);  // half of the soft limit
  // A writer that could not renew for so long gives up.
  absl::Duration lease_hard_limit = absl::Minutes(20);
  absl::Duration read_retry_window = absl::Seconds(3);  // dfs.client.retry.window.base
  int read_rounds = 3;                                  // dfs.client.max.block.acquire.failures
  int block_write_retries = 3;                          // dfs.client.block.write.retries
  // dfs.client.write.exclude.nodes.cache.expiry.interval.millis: how long a stream puts nothing new
  // on a datanode that failed it.
  absl::Duration excluded_node_expiry = absl::Minutes(10);
  // dfs.client.block.write.replace-datanode-on-failure.enable and .policy
  ReplaceNode replace_node = ReplaceNode::kDefault;
  // .best-effort: go on with the nodes that are left when there is no other. Here the default,
  // unlike in HDFS: a cluster of three survives the loss of one, and the namenode restores the
  // replicas.
  bool replace_node_best_effort = true;
  // .min-replication: so many nodes are enough to go on with without best effort; 0: no number is.
  uint32_t replace_node_min_replication = 0;
  absl::Duration complete_patience = absl::Seconds(30);  // waiting for the last block's replicas
  uint64_t prefetch_bytes = 10 * (128ull << 20);         // of located blocks: ten, as in HDFS
  absl::Duration peer_cache_expiry = absl::Seconds(3);   // dfs.client.socketcache.expiryMsec
  int peer_cache_capacity = 16;                          // dfs.client.socketcache.capacity
  // Reads from the files of datanodes of this machine. Here the default, unlike in HDFS.
  bool short_circuit = true;                               // dfs.client.read.shortcircuit
  std::string domain_socket_path = "/run/cairn/dn._PORT";  // dfs.domain.socket.path; empty: none
  bool verify_local = true;     // not dfs.client.read.shortcircuit.skip.checksum
  size_t local_replicas = 256;  // dfs.client.read.shortcircuit.streams.cache.size: kept open
  // dfs.client.read.shortcircuit.streams.cache.expiry.ms
  absl::Duration local_replica_expiry = absl::Minutes(5);
  std::string congestion_control;  // cairn.client.tcp.congestion: tried; empty: the system's choice

  absl::Duration trash_interval = absl::ZeroDuration();  // fs.trash.interval (minutes)
};

// Reads the keys named above. kInvalidArgument: a value is malformed or out of range; the message
// names key and file.
absl::StatusOr<ClientOptions> LoadClientOptions(const Config& config);

// Up to how many bytes a file is small, of a policy with such cells.
inline uint64_t SmallFileBytes(const ClientOptions& options, uint64_t cell_bytes) {
  return options.small_file_bytes.value_or(cell_bytes);
}
// Most that ClientOptions::small_file_bytes may say.
inline constexpr uint64_t kMaxSmallFileBytes = 64 << 20;

// HADOOP_USER_NAME, else the login's name, else its number.
std::string LoginUser();

}  // namespace cairn::client
