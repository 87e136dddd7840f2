#include "datanode/config_keys.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <thread>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
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
    {"dfs.datanode.du.reserved", kSize, "0", "bytes left free on each volume"},
    {"dfs.datanode.max.transfer.threads", kInt, "4096", "most connections for data at once",
     absl::Seconds(1), 1, 1000000},
    {"dfs.datanode.socket.reuse.keepalive", kDuration, "4000",
     "wait for another operation on a connection", absl::Milliseconds(1), 0},
    {"dfs.heartbeat.interval", kDuration, "3s", "how often the namenode is told of us",
     absl::Seconds(1), 1, 3600},

    // Ours.
    {"cairn.namenode.internal.address", kString, "127.0.0.1:8021",
     "host:port of the namenode for datanodes (gRPC)"},
    {"cairn.datanode.sync.on.finalize", kBool, "true",
     "a block is on stable media before its last packet is acknowledged"},
    {"cairn.datanode.tcp.congestion", kString, "",
     "TCP congestion control of data connections; unset: the system's"},
    {"cairn.datanode.advertised.ip", kString, "",
     "address told to clients; unset: that which reaches the namenode"},
    {"cairn.datanode.io.threads", kInt, "2", "threads that serve connections", absl::Seconds(1), 1,
     1024},
    {"cairn.datanode.disk.threads", kInt, "16", "threads that wait for disks", absl::Seconds(1), 1,
     1024},
    {"cairn.datanode.write.buffers", kInt, "512", "most buffers of 1 MiB held by writers",
     absl::Seconds(1), 4, 1000000},
    {"cairn.datanode.transfer.idle.limit", kDuration, "10m",
     "silence after which a running transfer is given up", absl::Seconds(1), 1},
    {"cairn.datanode.drain.limit", kDuration, "10s",
     "how long running transfers may go on after SIGTERM", absl::Seconds(1), 0},
    {"cairn.log.level", kString, "info", "debug, info, warn or error"},
    {"cairn.log.file", kString, "", "log file; unset: standard error"},
};

struct HostPort {
  std::string host;
  uint16_t port = 0;
};

absl::StatusOr<HostPort> ParseHostPort(const Config& config, absl::string_view key) {
  ASSIGN_OR_RETURN(const std::string text, config.GetString(key));
  const size_t colon = text.rfind(':');
  HostPort out;
  uint32_t port = 0;
  if (colon == std::string::npos || colon == 0 ||
      !absl::SimpleAtoi(absl::string_view(text).substr(colon + 1), &port) || port > 65535) {
    return absl::InvalidArgumentError(
        absl::StrCat(config.SourceOf(key), ": ", key, " = ", text, ": not host:port"));
  }
  out.host = text.substr(0, colon);
  out.port = static_cast<uint16_t>(port);
  return out;
}

struct AddressList {
  explicit AddressList(const std::string& host) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_DGRAM;
    hints.ai_family = AF_INET;
    if (::getaddrinfo(host.c_str(), nullptr, &hints, &first) != 0) first = nullptr;
  }
  ~AddressList() {
    if (first != nullptr) ::freeaddrinfo(first);
  }
  AddressList(const AddressList&) = delete;
  AddressList& operator=(const AddressList&) = delete;
  addrinfo* first = nullptr;
};

std::string ToText(const sockaddr_in& address) {
  char text[INET_ADDRSTRLEN] = {};
  ::inet_ntop(AF_INET, &address.sin_addr, text, sizeof(text));
  return text;
}

// Numeric form of a name; "" if it has none.
std::string Resolve(const std::string& host) {
  const AddressList list(host);
  if (list.first == nullptr) return "";
  return ToText(*reinterpret_cast<const sockaddr_in*>(list.first->ai_addr));
}

// Our address on the way to `host`: nothing is sent.
std::string LocalAddressTowards(const HostPort& peer) {
  const AddressList list(peer.host);
  if (list.first == nullptr) return "127.0.0.1";
  const int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return "127.0.0.1";
  sockaddr_in address = *reinterpret_cast<const sockaddr_in*>(list.first->ai_addr);
  address.sin_port = htons(peer.port == 0 ? 9 : peer.port);
  sockaddr_in local{};
  socklen_t size = sizeof(local);
  const bool known = ::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0 &&
                     ::getsockname(fd, reinterpret_cast<sockaddr*>(&local), &size) == 0;
  ::close(fd);
  return known ? ToText(local) : "127.0.0.1";
}

absl::StatusOr<HostPort> BindAddress(const Config& config, absl::string_view key) {
  ASSIGN_OR_RETURN(HostPort address, ParseHostPort(config, key));
  const std::string numeric = Resolve(address.host);
  if (numeric.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(config.SourceOf(key), ": ", key, ": \"",
                                                   address.host, "\" cannot be resolved"));
  }
  address.host = numeric;
  return address;
}

}  // namespace

std::span<const ConfigKey> DatanodeConfigKeys() { return kKeys; }

KnownKeys DatanodeKnownKeys() {
  KnownKeys keys(kKeys);
  keys.LeaveToOthers("cairn.namenode.");
  keys.LeaveToOthers("cairn.client.");
  keys.LeaveToOthers("cairn.fuse.");
  return keys;
}

absl::StatusOr<std::string> NamenodeAddress(const Config& config) {
  RETURN_IF_ERROR(ParseHostPort(config, "cairn.namenode.internal.address").status());
  return config.GetString("cairn.namenode.internal.address");
}

absl::StatusOr<DatanodeOptions> OptionsFrom(const Config& config) {
  DatanodeOptions options;
  ASSIGN_OR_RETURN(const std::vector<std::string> directories,
                   config.GetList("dfs.datanode.data.dir"));
  for (const std::string& directory : directories) {
    ASSIGN_OR_RETURN(VolumeSpec spec, ParseVolumeSpec(directory));
    options.volumes.push_back(std::move(spec));
  }
  if (options.volumes.empty()) {
    return absl::InvalidArgumentError("dfs.datanode.data.dir: names no directory");
  }
  ASSIGN_OR_RETURN(options.reserved_bytes, config.GetSize("dfs.datanode.du.reserved"));
  ASSIGN_OR_RETURN(const HostPort transfer, BindAddress(config, "dfs.datanode.address"));
  options.transfer.bind_address = transfer.host;
  options.transfer.port = transfer.port;
  ASSIGN_OR_RETURN(const HostPort ipc, BindAddress(config, "dfs.datanode.ipc.address"));
  options.ipc_bind_address = ipc.host;
  options.ipc_port = ipc.port;
  ASSIGN_OR_RETURN(options.advertised_host, config.GetString("dfs.datanode.hostname"));
  ASSIGN_OR_RETURN(options.advertised_ip, config.GetString("cairn.datanode.advertised.ip"));
  if (options.advertised_ip.empty() && transfer.host != "0.0.0.0") {
    options.advertised_ip = transfer.host;
  }
  if (options.advertised_ip.empty()) {
    ASSIGN_OR_RETURN(const HostPort namenode,
                     ParseHostPort(config, "cairn.namenode.internal.address"));
    options.advertised_ip = LocalAddressTowards(namenode);
  }
  ASSIGN_OR_RETURN(const int64_t transfers, config.GetInt("dfs.datanode.max.transfer.threads"));
  options.transfer.max_transfers = static_cast<int>(transfers);
  ASSIGN_OR_RETURN(options.transfer.keepalive,
                   config.GetDuration("dfs.datanode.socket.reuse.keepalive"));
  ASSIGN_OR_RETURN(options.transfer.idle_limit,
                   config.GetDuration("cairn.datanode.transfer.idle.limit"));
  ASSIGN_OR_RETURN(options.transfer.congestion_control,
                   config.GetString("cairn.datanode.tcp.congestion"));
  ASSIGN_OR_RETURN(options.heartbeat_interval, config.GetDuration("dfs.heartbeat.interval"));
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
