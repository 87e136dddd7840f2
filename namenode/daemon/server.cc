#include "namenode/daemon/server.h"

#include <algorithm>
#include <chrono>
#include <limits>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "boost/asio/post.hpp"
#include "boost/asio/steady_timer.hpp"
#include "common/logging.h"
#include "common/status_macros.h"
#include "common/thread.h"
#include "namenode/cluster/rack_table.h"
#include "namenode/daemon/storage.h"
#include "namenode/service/rpc/client_protocol_service.h"
#include "namenode/service/rpc/ha_protocol_service.h"
#include "namenode/service/rpc/refresh_service.h"
#include "namenode/service/rpc/user_mappings_service.h"

namespace cairn::namenode {
namespace {

constexpr uint64_t kMaxRackTableBytes = 64 << 20;
constexpr absl::Duration kDrainLimit = absl::Seconds(10);

struct HostPort {
  std::string host;
  uint16_t port = 0;
};

absl::StatusOr<HostPort> ParseHostPort(absl::string_view key, absl::string_view text,
                                       uint16_t default_port) {
  const size_t colon = text.rfind(':');
  uint32_t port = default_port;
  const absl::string_view host = colon == absl::string_view::npos ? text : text.substr(0, colon);
  if ((colon != absl::string_view::npos && !absl::SimpleAtoi(text.substr(colon + 1), &port)) ||
      port > 65535 || host.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(key, ": expected host:port, got \"", text, "\""));
  }
  return HostPort{std::string(host), static_cast<uint16_t>(port)};
}

absl::StatusOr<HostPort> RpcAddress(const Config& config) {
  ASSIGN_OR_RETURN(const std::string address, config.GetString("dfs.namenode.rpc-address"));
  if (!address.empty()) return ParseHostPort("dfs.namenode.rpc-address", address, 8020);
  ASSIGN_OR_RETURN(const std::string uri, config.GetString("fs.defaultFS"));
  if (uri.empty()) return HostPort{"127.0.0.1", 8020};
  absl::string_view rest = uri;
  if (!absl::ConsumePrefix(&rest, "hdfs://")) {
    return absl::InvalidArgumentError(
        absl::StrCat("fs.defaultFS: expected hdfs://host:port, got \"", uri, "\""));
  }
  return ParseHostPort("fs.defaultFS", rest.substr(0, rest.find('/')), 8020);
}

std::string NumericHost(const std::string& host) {
  return host == "localhost" ? "127.0.0.1" : host;
}

// Reads every limit and size; the keys are declared, so a bad value has stopped the start already.
absl::StatusOr<NamenodeOptions> ReadOptions(const Config& config, UserGroups& groups) {
  NamenodeOptions options;
  ASSIGN_OR_RETURN(options.defaults.block_bytes, config.GetSize("dfs.blocksize"));
  ASSIGN_OR_RETURN(options.defaults.replication, config.GetInt("dfs.replication"));
  ASSIGN_OR_RETURN(options.defaults.bytes_per_checksum, config.GetInt("dfs.bytes-per-checksum"));
  ASSIGN_OR_RETURN(options.defaults.write_packet_bytes,
                   config.GetInt("dfs.client-write-packet-size"));
  ASSIGN_OR_RETURN(options.defaults.trash_interval_minutes, config.GetInt("fs.trash.interval"));
  ASSIGN_OR_RETURN(options.tree.cache_bytes, config.GetSize("cairn.namenode.inode.cache"));
  ASSIGN_OR_RETURN(options.blocks.cache_bytes, config.GetSize("cairn.namenode.block.cache"));
  ASSIGN_OR_RETURN(options.min_replication, config.GetInt("dfs.namenode.replication.min"));
  options.blocks.min_replication = options.min_replication;
  ASSIGN_OR_RETURN(options.max_replication, config.GetInt("dfs.replication.max"));
  ASSIGN_OR_RETURN(options.min_block_bytes,
                   config.GetSize("dfs.namenode.fs-limits.min-block-size"));
  ASSIGN_OR_RETURN(options.max_blocks_per_file,
                   config.GetInt("dfs.namenode.fs-limits.max-blocks-per-file"));
  ASSIGN_OR_RETURN(options.max_directory_items,
                   config.GetInt("dfs.namenode.fs-limits.max-directory-items"));
  ASSIGN_OR_RETURN(options.listing_limit, config.GetInt("dfs.ls.limit"));
  ASSIGN_OR_RETURN(options.identities.permissions, config.GetBool("dfs.permissions.enabled"));
  ASSIGN_OR_RETURN(options.retry_cache_entries,
                   config.GetInt("cairn.namenode.retry.cache.entries"));
  ASSIGN_OR_RETURN(options.retry_cache_life, config.GetDuration("cairn.namenode.retry.cache.life"));
  ASSIGN_OR_RETURN(options.leases.hard_limit,
                   config.GetDuration("dfs.namenode.lease-hard-limit-sec"));
  ASSIGN_OR_RETURN(options.heartbeat_interval, config.GetDuration("dfs.heartbeat.interval"));
  ASSIGN_OR_RETURN(options.invalidations.batch, config.GetInt("dfs.block.invalidate.limit"));
  options.identities.superuser = ProcessUserName();
  ASSIGN_OR_RETURN(options.identities.supergroup,
                   config.GetString("dfs.permissions.superusergroup"));
  options.identities.groups_of = [&groups](const std::string& user) {
    return *groups.GroupsOf(user);
  };
  return options;
}

}  // namespace

// Answers leave once the journal is durable up to their ticket.
class NamenodeServer::JournalGate final : public rpc::ReplyGate {
 public:
  explicit JournalGate(Journal& journal) : journal_(journal) {}
  uint64_t Passed() const override { return ToInt(journal_.durable()); }
  std::shared_ptr<void> Listen(std::function<void()> listener) override {
    return journal_.Listen(std::move(listener));
  }

 private:
  Journal& journal_;
};

absl::StatusOr<std::unique_ptr<NamenodeServer>> NamenodeServer::Start(const Config& config) {
  std::unique_ptr<NamenodeServer> server(new NamenodeServer);
  UserGroups::Options groups;
  ASSIGN_OR_RETURN(groups.static_overrides,
                   config.GetString("hadoop.user.group.static.mapping.overrides"));
  ASSIGN_OR_RETURN(server->groups_, UserGroups::Create(groups, SystemClock()));
  ClusterState::Options cluster;
  ASSIGN_OR_RETURN(cluster.stale_interval, config.GetDuration("cairn.namenode.stale.interval"));
  ASSIGN_OR_RETURN(cluster.dead_interval, config.GetDuration("cairn.namenode.dead.interval"));
  ASSIGN_OR_RETURN(const std::string racks, config.GetString("net.topology.table.file.name"));
  if (!racks.empty()) {
    ASSIGN_OR_RETURN(const std::string text, PosixFileSystem().ReadAll(racks, kMaxRackTableBytes));
    ASSIGN_OR_RETURN(RackTable table, RackTable::Parse(text, racks));
    cluster.racks = std::make_shared<const RackTable>(std::move(table));
  }
  server->cluster_ = std::make_unique<ClusterState>(cluster, SystemClock());
  ASSIGN_OR_RETURN(NamenodeOptions options, ReadOptions(config, *server->groups_));
  RETURN_IF_ERROR(server->OpenStorage(config, std::move(options)));
  RETURN_IF_ERROR(server->Serve(config));
  return server;
}

absl::Status NamenodeServer::OpenStorage(const Config& config, NamenodeOptions options) {
  ASSIGN_OR_RETURN(const std::string name_dir, config.GetString("dfs.namenode.name.dir"));
  ASSIGN_OR_RETURN(const std::string directory, StorageDirectory(name_dir));
  FileSystem& fs = PosixFileSystem();
  ASSIGN_OR_RETURN(const StorageVersion version, ReadVersion(fs, directory));
  ASSIGN_OR_RETURN(lock_, fs.Lock(LockFile(directory)));

  StoreOptions store;
  store.directory = StoreDirectory(directory);
  ASSIGN_OR_RETURN(store.cache_bytes, config.GetSize("cairn.namenode.store.cache"));
  ASSIGN_OR_RETURN(store.tail_bytes, config.GetSize("cairn.namenode.store.tail"));
  ASSIGN_OR_RETURN(store.tail_limit_bytes, config.GetSize("cairn.namenode.store.tail.limit"));
  ASSIGN_OR_RETURN(store.tail_age, config.GetDuration("cairn.namenode.store.tail.age"));
  // While the journal is being replayed, all that is applied came out of it: it is durable.
  const auto durable = [this] {
    const Journal* const journal = journal_view_.load(std::memory_order_acquire);
    return journal == nullptr ? TxId{std::numeric_limits<uint64_t>::max()} : journal->durable();
  };
  const auto with_lock = [this](std::function<void()> body) {
    namenode_view_.load(std::memory_order_acquire)->WithLock(body);
  };
  ASSIGN_OR_RETURN(store_, Store::Open(store, durable, with_lock));
  const size_t retry_entries = options.retry_cache_entries;
  namenode_ = std::make_unique<NamenodeImpl>(std::move(options), SystemClock(), *store_, *cluster_);
  namenode_view_.store(namenode_.get(), std::memory_order_release);
  RETURN_IF_ERROR(namenode_->OpenStore());

  JournalOptions journal;
  journal.directory = JournalDirectory(directory);
  journal.cluster_id = version.cluster_id;
  ASSIGN_OR_RETURN(journal.segment_bytes, config.GetSize("cairn.namenode.journal.segment.size"));
  ASSIGN_OR_RETURN(journal.keep, config.GetDuration("cairn.namenode.journal.keep"));
  ASSIGN_OR_RETURN(journal.keep_bytes, config.GetSize("cairn.namenode.journal.keep.size"));
  // Edits that the store has already are read once more for the retry cache, as many as it holds.
  const TxId applied = store_->applied();
  const TxId from{ToInt(applied) > retry_entries ? ToInt(applied) - retry_entries + 1 : 1};
  ASSIGN_OR_RETURN(journal_, OpenFileJournal(fs, SystemClock(), journal, applied, from,
                                             [this](TxId txid, absl::string_view edit) {
                                               return namenode_->Replay(txid, edit);
                                             }));
  journal_view_.store(journal_.get(), std::memory_order_release);
  journal_->OnFailure([](const absl::Status& status) {
    // Nothing of the failed batch was answered, and nothing more may be: what is on the medium is
    // known only by reading it again, which the next start does.
    LOG_ERROR("journal: {}. The namenode stops.", status.ToString());
    std::_Exit(1);
  });
  namenode_->StartServing(*journal_);
  ASSIGN_OR_RETURN(const absl::Duration longest, config.GetDuration("cairn.namenode.safemode.longest"));
  namenode_->StartSafeMode(longest);
  return absl::OkStatus();
}

absl::Status NamenodeServer::Serve(const Config& config) {
  ASSIGN_OR_RETURN(int64_t threads, config.GetInt("cairn.namenode.io.threads"));
  if (threads == 0) threads = std::max(1u, std::thread::hardware_concurrency());
  io_ = std::make_unique<IoThreads>(static_cast<int>(threads), "nn-io");
  gate_ = std::make_unique<JournalGate>(*journal_);

  ASSIGN_OR_RETURN(const std::string internal, config.GetString("cairn.namenode.internal.address"));
  DatanodeServer::Options datanodes;
  datanodes.address = internal;
  ASSIGN_OR_RETURN(datanodes_, DatanodeServer::Start(datanodes, *namenode_));

  const Scheduler schedule = [this](absl::Duration delay, std::function<void()> run) {
    auto timer = std::make_shared<boost::asio::steady_timer>(io_->Next());
    timer->expires_after(absl::ToChronoNanoseconds(delay));
    timer->async_wait([timer, run = std::move(run)](const boost::system::error_code& error) {
      if (!error) run();
    });
  };
  ClientProtocolOptions protocol;
  protocol.block_counts = [this] {
    const NamenodeImpl::ReplicaCounts counts = namenode_->CountReplicas();
    // Blocks below their replication, or without any replica, are not counted yet: not known.
    constexpr uint64_t kNotKnown = ~uint64_t{0};
    return BlockCounts{.under_replicated = kNotKnown,
                       .corrupt = counts.corrupt_blocks,
                       .missing = kNotKnown,
                       .missing_single_replica = kNotKnown,
                       .pending_deletion = counts.pending_deletions};
  };
  services_.push_back(
      std::make_unique<ClientProtocolService>(*namenode_, schedule, std::move(protocol)));
  services_.push_back(std::make_unique<HaProtocolService>());
  services_.push_back(std::make_unique<UserMappingsService>(
      [this](absl::string_view user) { return *groups_->GroupsOf(user); }));
  for (auto& service : MakeRefreshServices()) services_.push_back(std::move(service));
  std::vector<rpc::RpcService*> services;
  for (const auto& service : services_) services.push_back(service.get());

  ASSIGN_OR_RETURN(const HostPort address, RpcAddress(config));
  ASSIGN_OR_RETURN(std::string bind, config.GetString("dfs.namenode.rpc-bind-host"));
  rpc::RpcServerOptions options;
  options.bind_address = NumericHost(bind.empty() ? address.host : bind);
  options.port = address.port;
  ASSIGN_OR_RETURN(rpc_, rpc::RpcServer::Start(options, *io_, gate_.get(), services));
  host_ = options.bind_address;
  maintenance_ = std::thread([this] { Maintain(); });
  return absl::OkStatus();
}

DaemonFacts NamenodeServer::facts() const {
  return {{"rpc", absl::StrCat(rpc_->port())},
          {"internal", absl::StrCat(datanodes_->port())},
          {"uri", absl::StrCat("hdfs://", host_, ":", rpc_->port())}};
}

void NamenodeServer::Maintain() {
  SetThreadName("nn-maintain");
  for (;;) {
    namenode_->RunMaintenance();
    MutexLock lock(mu_);
    if (stopping_) return;
    // Busy deletions are worked off in slices; the pause leaves the lock to requests.
    wake_.WaitFor(mu_, namenode_->HasBackgroundWork() ? std::chrono::milliseconds(1)
                                                      : std::chrono::milliseconds(100));
    if (stopping_) return;
  }
}

void NamenodeServer::StopMaintenance() {
  {
    MutexLock lock(mu_);
    stopping_ = true;
    wake_.NotifyAll();
  }
  if (maintenance_.joinable()) maintenance_.join();
}

absl::Status NamenodeServer::Drain() {
  LOG_INFO("namenode: draining");
  if (!rpc_->Drain(kDrainLimit)) LOG_WARN("some calls were still unanswered when time was up");
  datanodes_->Stop(absl::Seconds(1));
  StopMaintenance();
  return store_->Flush();
}

NamenodeServer::~NamenodeServer() {
  rpc_.reset();
  datanodes_.reset();
  StopMaintenance();
  if (io_) io_->Stop();
}

}  // namespace cairn::namenode
