#include "datanode/config_keys.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <thread>

#include "common/net/host_port.h"
#include "common/status_macros.h"
#include "common/user_groups.h"

namespace cairn::datanode {
namespace {

using enum ConfigType;

constexpr ConfigKey kKeys[] = {
    // HDFS's own, with HDFS's meaning.
    {"dfs.datanode.data.dir", kList, "/var/lib/cairn/datanode", "directories, each as [TYPE]/path"},
    {"dfs.datanode.address", kString, "0.0.0.0:9866", "host:port for data transfer"},
    {"dfs.datanode.ipc.address", kString, "0.0.0.0:9867", "host:port for Hadoop RPC"},
    {"dfs.datanode.hostname", kString, "", "name told to clients; unset: the machine's"},
    {"dfs.domain.socket.path", kString, "/run/cairn/dn._PORT",
     "UNIX socket where clients of this machine get the descriptors of replicas; _PORT: the port "
     "of "
     "data transfer; empty: none"},
    {"dfs.datanode.du.reserved", kSize, "0", "bytes left free on each volume"},
    {"dfs.datanode.max.transfer.threads", kInt, "4096", "most connections for data at once",
     absl::Seconds(1), 1, 1000000},
    {"dfs.datanode.socket.reuse.keepalive", kDuration, "4000",
     "wait for another operation on a connection", absl::Milliseconds(1), 0},
    {"dfs.client.socket-timeout", kDuration, "60s",
     "patience with the next node of a pipeline, and 5 s for each node behind this one; 0: as for "
     "all transfers",
     absl::Milliseconds(1), 0},
    {"dfs.datanode.failed.volumes.tolerated", kInt, "-1",
     "failed volumes beyond which the datanode stops; -1: one must be left", absl::Seconds(1), -1,
     1000},
    {"dfs.datanode.disk.check.min.gap", kDuration, "15m",
     "how often each volume is tried by writing a small file", absl::Milliseconds(1), 1},
    {"cairn.datanode.disk.hang.timeout", kDuration, "60s",
     "a call on a volume that does not return in this time: the volume has failed",
     absl::Seconds(1), 1},
    {"dfs.datanode.scan.period.hours", kInt, "504",
     "as cairn.datanode.scan.period, which goes before it; 0: 504, less: never", absl::Hours(1), -1,
     100000},
    {"dfs.block.scanner.volume.bytes.per.second", kSize, "16m",
     "most bytes a second that the scanner reads from a volume; 0: nothing is scanned"},
    {"dfs.datanode.directoryscan.interval", kDuration, "6h",
     "how often the files of each volume are compared with what is known; 0: never",
     absl::Seconds(1), 0},
    {"dfs.disk.balancer.enabled", kBool, "true",
     "replicas move by themselves from full volumes of this datanode to emptier ones"},
    {"dfs.disk.balancer.plan.threshold.percent", kInt, "10",
     "they do when the fill of two volumes is further apart", absl::Seconds(1), 1, 100},
    {"dfs.disk.balancer.max.disk.throughputInMBperSec", kInt, "10",
     "most MiB a second that are moved so", absl::Seconds(1), 1, 100000},
    {"dfs.datanode.balance.bandwidthPerSec", kSize, "100m",
     "bytes a second of copies for the balance of the cluster that one datanode sends",
     absl::Seconds(1), 1},
    {"dfs.heartbeat.interval", kDuration, "3s", "how often the namenode is told of us",
     absl::Seconds(1), 1, 3600},
    {"dfs.blockreport.intervalMsec", kDuration, "1h",
     "how often all replicas are compared with what the namenode knows", absl::Milliseconds(1),
     1000},

    // Ours.
    {"cairn.namenode.internal.address", kString, "127.0.0.1:8021",
     "host:port of the namenode for datanodes (gRPC)"},
    {"cairn.datanode.sync.on.finalize", kBool, "true",
     "a block is on stable media before its last packet is acknowledged"},
    {"cairn.datanode.disk.balancer.interval", kDuration, "1m",
     "how often the fill of the volumes is compared", absl::Seconds(1), 1},
    {"cairn.datanode.scan.period", kDuration, "21d",
     "every replica is read within this time; unset: dfs.datanode.scan.period.hours. 0: never",
     absl::Seconds(1), 0},
    {"cairn.datanode.tcp.congestion", kString, "",
     "TCP congestion control of data connections; unset: the system's, but reno within a machine"},
    {"cairn.datanode.advertised.ip", kString, "",
     "address told to clients; unset: that which reaches the namenode"},
    {"cairn.datanode.advertised.port", kInt, "0",
     "port of data transfer told to clients, where an address is translated; 0: the one it listens "
     "at",
     absl::Seconds(1), 0, 65535},
    {"cairn.datanode.io.threads", kInt, "2", "threads that serve connections", absl::Seconds(1), 1,
     1024},
    {"cairn.datanode.disk.threads", kInt, "16", "threads that wait for disks", absl::Seconds(1), 1,
     1024},
    {"cairn.datanode.write.buffers", kInt, "512", "most buffers of 1 MiB held by writers",
     absl::Seconds(1), 4, 1000000},
    {"cairn.datanode.transfer.idle.limit", kDuration, "10m",
     "silence after which a running transfer is given up", absl::Seconds(1), 1},
    {"cairn.datanode.pipeline.silence.limit", kDuration, "6s",
     "how long the next node of a pipeline, which gives signs of life, may be silent; 0: it is "
     "asked "
     "for none. A client's cairn.client.pipeline.silence.limit goes before",
     absl::Seconds(1), 0, 3600},
    {"cairn.datanode.drain.limit", kDuration, "10s",
     "how long running transfers may go on after SIGTERM", absl::Seconds(1), 0},
    {"cairn.log.level", kString, "info", "debug, info, warn or error"},
    {"cairn.log.file", kString, "", "log file; unset: standard error"},
};

absl::StatusOr<HostPort> ReadHostPort(const Config& config, absl::string_view key) {
  ASSIGN_OR_RETURN(const std::string text, config.GetString(key));
  return ParseHostPort(config, key, text);
}

absl::StatusOr<ScanOptions> ReadScanOptions(const Config& config) {
  ScanOptions options;
  ASSIGN_OR_RETURN(const int64_t hours, config.GetInt("dfs.datanode.scan.period.hours"));
  if (hours != 0) options.pace.period = absl::Hours(std::max<int64_t>(hours, 0));
  if (config.IsSet("cairn.datanode.scan.period")) {
    ASSIGN_OR_RETURN(options.pace.period, config.GetDuration("cairn.datanode.scan.period"));
  }
  ASSIGN_OR_RETURN(options.pace.limit_bytes_per_second,
                   config.GetSize("dfs.block.scanner.volume.bytes.per.second"));
  ASSIGN_OR_RETURN(options.sweep_interval,
                   config.GetDuration("dfs.datanode.directoryscan.interval"));
  if (options.sweep_interval == absl::ZeroDuration()) {
    options.sweep_interval = absl::InfiniteDuration();
  }
  return options;
}

// Our address on the way to `peer`: nothing is sent.
std::string LocalAddressTowards(const HostPort& peer) {
  constexpr char kSelf[] = "127.0.0.1";
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(peer.port == 0 ? 9 : peer.port);
  if (::inet_pton(AF_INET, ResolveHost(peer.host).c_str(), &address.sin_addr) != 1) return kSelf;
  const int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return kSelf;
  sockaddr_in local{};
  socklen_t size = sizeof(local);
  const bool known = ::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0 &&
                     ::getsockname(fd, reinterpret_cast<sockaddr*>(&local), &size) == 0;
  ::close(fd);
  char text[INET_ADDRSTRLEN] = {};
  return known && ::inet_ntop(AF_INET, &local.sin_addr, text, sizeof(text)) != nullptr ? text
                                                                                       : kSelf;
}

absl::StatusOr<HostPort> ReadBindAddress(const Config& config, absl::string_view key) {
  ASSIGN_OR_RETURN(HostPort address, ReadHostPort(config, key));
  ASSIGN_OR_RETURN(address.host, ResolveHost(config, key, address.host));
  return address;
}

absl::StatusOr<std::vector<VolumeSpec>> ReadVolumes(const Config& config) {
  constexpr absl::string_view kKey = "dfs.datanode.data.dir";
  ASSIGN_OR_RETURN(const std::vector<std::string> directories, config.GetList(kKey));
  std::vector<VolumeSpec> volumes;
  for (const std::string& directory : directories) {
    absl::StatusOr<VolumeSpec> spec = ParseVolumeSpec(directory);
    if (!spec.ok()) return config.Reject(kKey, spec.status().message());
    volumes.push_back(*std::move(spec));
  }
  if (volumes.empty()) return config.Reject(kKey, "names no directory");
  return volumes;
}

// What clients are told, who take it as it is.
absl::StatusOr<std::string> ReadAdvertisedIp(const Config& config, const HostPort& transfer) {
  constexpr absl::string_view kKey = "cairn.datanode.advertised.ip";
  ASSIGN_OR_RETURN(std::string ip, config.GetString(kKey));
  if (!ip.empty()) {
    if (ResolveHost(ip) != ip) return config.Reject(kKey, "expected a numeric address");
    return ip;
  }
  if (transfer.host != "0.0.0.0") return transfer.host;
  ASSIGN_OR_RETURN(const HostPort namenode,
                   ReadHostPort(config, "cairn.namenode.internal.address"));
  return LocalAddressTowards(namenode);
}

}  // namespace

std::span<const ConfigKey> DatanodeConfigKeys() { return kKeys; }

KnownKeys DatanodeKnownKeys() {
  KnownKeys keys(kKeys);
  keys.LeaveToOthers("cairn.namenode.");
  keys.LeaveToOthers("cairn.client.");
  keys.LeaveToOthers("cairn.ec.");  // likewise of clients
  return keys;
}

absl::StatusOr<std::string> NamenodeAddress(const Config& config) {
  RETURN_IF_ERROR(ReadHostPort(config, "cairn.namenode.internal.address").status());
  return config.GetString("cairn.namenode.internal.address");
}

absl::StatusOr<DatanodeOptions> OptionsFrom(const Config& config) {
  DatanodeOptions options;
  ASSIGN_OR_RETURN(options.volumes, ReadVolumes(config));
  ASSIGN_OR_RETURN(options.data_dirs, config.GetString("dfs.datanode.data.dir"));
  ASSIGN_OR_RETURN(options.scan, ReadScanOptions(config));
  ASSIGN_OR_RETURN(options.balancer.enabled, config.GetBool("dfs.disk.balancer.enabled"));
  ASSIGN_OR_RETURN(const int64_t threshold,
                   config.GetInt("dfs.disk.balancer.plan.threshold.percent"));
  options.balancer.threshold_percent = static_cast<double>(threshold);
  ASSIGN_OR_RETURN(const int64_t megabytes,
                   config.GetInt("dfs.disk.balancer.max.disk.throughputInMBperSec"));
  options.balancer.bytes_per_second = static_cast<uint64_t>(megabytes) << 20;
  ASSIGN_OR_RETURN(options.balancer.check_interval,
                   config.GetDuration("cairn.datanode.disk.balancer.interval"));
  ASSIGN_OR_RETURN(const int64_t tolerated, config.GetInt("dfs.datanode.failed.volumes.tolerated"));
  options.watch.tolerated = static_cast<int>(tolerated);
  ASSIGN_OR_RETURN(options.watch.check_interval,
                   config.GetDuration("dfs.datanode.disk.check.min.gap"));
  ASSIGN_OR_RETURN(options.watch.hang_limit,
                   config.GetDuration("cairn.datanode.disk.hang.timeout"));
  options.transfer.set_up_limit = options.watch.hang_limit;
  ASSIGN_OR_RETURN(options.reserved_bytes, config.GetSize("dfs.datanode.du.reserved"));
  ASSIGN_OR_RETURN(const HostPort transfer, ReadBindAddress(config, "dfs.datanode.address"));
  options.transfer.bind_address = transfer.host;
  options.transfer.port = transfer.port;
  ASSIGN_OR_RETURN(const HostPort ipc, ReadBindAddress(config, "dfs.datanode.ipc.address"));
  options.ipc_bind_address = ipc.host;
  options.ipc_port = ipc.port;
  ASSIGN_OR_RETURN(options.domain_socket, config.GetString("dfs.domain.socket.path"));
  ASSIGN_OR_RETURN(options.advertised_host, config.GetString("dfs.datanode.hostname"));
  ASSIGN_OR_RETURN(options.advertised_ip, ReadAdvertisedIp(config, transfer));
  ASSIGN_OR_RETURN(const int64_t advertised_port, config.GetInt("cairn.datanode.advertised.port"));
  options.advertised_port = static_cast<uint16_t>(advertised_port);
  ASSIGN_OR_RETURN(const int64_t transfers, config.GetInt("dfs.datanode.max.transfer.threads"));
  options.transfer.max_transfers = static_cast<int>(transfers);
  ASSIGN_OR_RETURN(options.transfer.keepalive,
                   config.GetDuration("dfs.datanode.socket.reuse.keepalive"));
  ASSIGN_OR_RETURN(options.transfer.idle_limit,
                   config.GetDuration("cairn.datanode.transfer.idle.limit"));
  ASSIGN_OR_RETURN(options.transfer.next_node_limit,
                   config.GetDuration("dfs.client.socket-timeout"));
  if (options.transfer.next_node_limit == absl::ZeroDuration()) {
    options.transfer.next_node_limit = options.transfer.idle_limit;
  }
  ASSIGN_OR_RETURN(options.transfer.silence_limit,
                   config.GetDuration("cairn.datanode.pipeline.silence.limit"));
  ASSIGN_OR_RETURN(options.transfer.congestion_control,
                   config.GetString("cairn.datanode.tcp.congestion"));
  ASSIGN_OR_RETURN(options.balance_bandwidth,
                   config.GetSize("dfs.datanode.balance.bandwidthPerSec"));
  ASSIGN_OR_RETURN(options.heartbeat_interval, config.GetDuration("dfs.heartbeat.interval"));
  ASSIGN_OR_RETURN(options.report_interval, config.GetDuration("dfs.blockreport.intervalMsec"));
  ASSIGN_OR_RETURN(options.store.sync_on_finalize,
                   config.GetBool("cairn.datanode.sync.on.finalize"));
  ASSIGN_OR_RETURN(const int64_t io_threads, config.GetInt("cairn.datanode.io.threads"));
  ASSIGN_OR_RETURN(const int64_t disk_threads, config.GetInt("cairn.datanode.disk.threads"));
  ASSIGN_OR_RETURN(const int64_t buffers, config.GetInt("cairn.datanode.write.buffers"));
  options.io_threads = static_cast<int>(io_threads);
  options.disk_threads = static_cast<int>(disk_threads);
  options.write_buffers = static_cast<size_t>(buffers);
  options.superuser = ProcessUserName();
  return options;
}

}  // namespace cairn::datanode
