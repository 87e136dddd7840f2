#include "namenode/daemon/config_keys.h"

namespace cairn::namenode {
namespace {

using enum ConfigType;

constexpr ConfigKey kKeys[] = {
    // HDFS's own, with HDFS's meaning.
    {"fs.defaultFS", kString, "", "hdfs://host:port of this namenode"},
    {"dfs.namenode.rpc-address", kString, "",
     "host:port of the client port; fs.defaultFS's if unset"},
    {"dfs.namenode.rpc-bind-host", kString, "",
     "host to listen on; the rpc address' host if unset"},
    {"dfs.namenode.name.dir", kString, "/var/lib/cairn/namenode", "directory of store and journal"},
    {"dfs.replication", kInt, "3", "replicas of a file whose creator does not say",
     absl::Seconds(1), 1, 512},
    {"dfs.replication.max", kInt, "512", "most replicas a client may ask for", absl::Seconds(1), 1,
     512},
    {"dfs.namenode.replication.min", kInt, "1", "replicas that make a block complete",
     absl::Seconds(1), 1, 512},
    {"dfs.blocksize", kSize, "128m", "block size told to clients", absl::Seconds(1), 512},
    {"dfs.bytes-per-checksum", kInt, "512", "bytes under one checksum", absl::Seconds(1), 16,
     1 << 20},
    {"dfs.client-write-packet-size", kSize, "64k", "packet size told to clients", absl::Seconds(1),
     512, 8 << 20},
    {"dfs.namenode.fs-limits.min-block-size", kSize, "1m", "least block size of a new file",
     absl::Seconds(1), 0},
    {"dfs.namenode.fs-limits.max-blocks-per-file", kInt, "10000", "most blocks of a file",
     absl::Seconds(1), 1, 1000000},
    {"dfs.namenode.fs-limits.max-directory-items", kInt, "1048576", "most entries of a directory",
     absl::Seconds(1), 1, 6400000},
    {"dfs.ls.limit", kInt, "1000", "entries in one page of a listing", absl::Seconds(1), 1, 100000},
    {"dfs.permissions.enabled", kBool, "true", "check permissions"},
    {"dfs.permissions.superusergroup", kString, "supergroup",
     "its members bypass permission checks"},
    {"hadoop.user.group.static.mapping.overrides", kString, "dr.who=;",
     "groups of users that are not looked up"},
    {"fs.trash.interval", kDuration, "0", "how long the trash is kept; 0: no trash",
     absl::Minutes(1), 0},
    {"dfs.heartbeat.interval", kDuration, "3s", "how often datanodes report", absl::Seconds(1), 1,
     3600},
    {"dfs.block.invalidate.limit", kInt, "1000", "deletions told to a datanode at once",
     absl::Seconds(1), 1, 100000},
    {"dfs.namenode.lease-hard-limit-sec", kDuration, "20m",
     "silence after which a writer's file is recovered", absl::Seconds(1), 1},
    {"net.topology.table.file.name", kString, "", "file of 'host rack' lines; unset: one rack"},
    {"net.topology.script.file.name", kString, "",
     "program that prints the racks of its arguments"},
    {"net.topology.script.number.args", kInt, "100", "most arguments of one run of it",
     absl::Seconds(1), 1, 10000},
    {"net.topology.node.switch.mapping.impl", kString, "",
     "ScriptBasedMapping or TableMapping; unset: whichever file is set"},
    {"dfs.hosts", kString, "", "file of hosts that may be datanodes; unset: all may"},
    {"dfs.hosts.exclude", kString, "", "file of hosts to decommission"},
    {"dfs.namenode.hosts.provider.classname", kString, "",
     "CombinedHostFileManager: dfs.hosts is one JSON file"},

    // Ours.
    {"cairn.namenode.internal.address", kString, "127.0.0.1:8021",
     "host:port for datanodes (gRPC)"},
    {"cairn.namenode.io.threads", kInt, "0",
     "threads that serve clients; 0: one for each processor", absl::Seconds(1), 0, 1024},
    {"cairn.namenode.inode.cache", kSize, "256m", "memory for inodes", absl::Seconds(1), 1 << 20},
    {"cairn.namenode.block.cache", kSize, "64m", "memory for replica lists", absl::Seconds(1),
     1 << 20},
    {"cairn.namenode.store.cache", kSize, "128m", "LevelDB's block cache", absl::Seconds(1),
     1 << 20},
    {"cairn.namenode.store.tail", kSize, "32m", "edits kept in memory before they go to LevelDB",
     absl::Seconds(1), 1 << 16},
    {"cairn.namenode.store.tail.limit", kSize, "512m",
     "edits in memory at which writes are refused", absl::Seconds(1), 1 << 20},
    {"cairn.namenode.store.tail.age", kDuration, "5s", "age at which edits go to LevelDB",
     absl::Seconds(1), 1},
    {"cairn.namenode.journal.segment.size", kSize, "64m", "size of a journal file",
     absl::Seconds(1), 17 << 20, 1 << 30},
    {"cairn.namenode.journal.keep", kDuration, "10m", "how long applied edits stay readable",
     absl::Seconds(1), 0},
    {"cairn.namenode.journal.keep.size", kSize, "1g", "most disk for applied edits",
     absl::Seconds(1), 0},
    {"dfs.namenode.checkpoint.period", kDuration, "1h", "time between checkpoints",
     absl::Seconds(1), 1},
    {"dfs.namenode.checkpoint.txns", kInt, "1000000", "edits between checkpoints, at most",
     absl::Seconds(1), 1},
    {"dfs.namenode.num.checkpoints.retained", kInt, "2", "checkpoints kept", absl::Seconds(1), 1,
     1000},
    {"cairn.namenode.checkpoint.journal.size", kSize, "1g",
     "growth of the journal between checkpoints, at most", absl::Seconds(1), 1 << 20},
    {"cairn.namenode.retry.cache.entries", kInt, "300000", "answers kept for repeated calls",
     absl::Seconds(1), 0, 100000000},
    {"cairn.namenode.retry.cache.life", kDuration, "10m", "how long they are kept",
     absl::Seconds(1), 1},
    {"cairn.namenode.stale.interval", kDuration, "15s",
     "silence after which a datanode gets no new traffic", absl::Seconds(1), 1},
    {"cairn.namenode.dead.interval", kDuration, "5m", "silence after which a datanode is given up",
     absl::Seconds(1), 1},
    {"cairn.namenode.safemode.longest", kDuration, "30s",
     "longest wait for known datanodes at start-up", absl::Seconds(1), 0},
    {"cairn.log.level", kString, "info", "debug, info, warn or error"},
    {"cairn.log.file", kString, "", "log file; unset: standard error"},
};

}  // namespace

std::span<const ConfigKey> NamenodeConfigKeys() { return kKeys; }

KnownKeys NamenodeKnownKeys() {
  KnownKeys keys(kKeys);
  keys.LeaveToOthers("cairn.datanode.");
  keys.LeaveToOthers("cairn.client.");
  return keys;
}

}  // namespace cairn::namenode
