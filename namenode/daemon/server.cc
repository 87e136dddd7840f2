#include "namenode/daemon/server.h"

#include <algorithm>
#include <chrono>
#include <limits>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "boost/asio/post.hpp"
#include "boost/asio/steady_timer.hpp"
#include "common/crash_point.h"
#include "common/descriptors.h"
#include "common/logging.h"
#include "common/net/host_port.h"
#include "common/status_macros.h"
#include "common/thread.h"
#include "common/version.h"
#include "namenode/daemon/storage.h"
#include "namenode/offline/restore.h"
#include "namenode/offline/upgrade.h"
#include "namenode/service/rpc/admin_protocol_service.h"
#include "namenode/service/rpc/cairn_protocol_service.h"
#include "namenode/service/rpc/ha_protocol_service.h"
#include "namenode/service/rpc/refresh_service.h"
#include "namenode/service/rpc/user_mappings_service.h"

namespace cairn::namenode {
namespace {

constexpr absl::Duration kDrainLimit = absl::Seconds(10);

std::string UriHost(const std::string& host) {
  return absl::StrContains(host, ':') ? absl::StrCat("[", host, "]") : host;
}

// The way out that an operator has when what is on disk is damaged.
constexpr absl::string_view kRestoreAdvice =
    ". The store can be rebuilt from a checkpoint and the journal, which has every acknowledged "
    "change: cairn namenode -restore";
constexpr absl::string_view kRecoverAdvice =
    ". To see what would be lost by going on without it, and to do so: cairn namenode -recover";

absl::Status WithAdvice(const absl::Status& status, absl::string_view advice) {
  if (!absl::IsDataLoss(status)) return status;
  return absl::Status(status.code(), absl::StrCat(status.message(), advice));
}
template <typename T>
absl::StatusOr<T> WithAdvice(absl::StatusOr<T> result, absl::string_view advice) {
  if (result.ok()) return result;
  return WithAdvice(result.status(), advice);
}

// Where clients find the namenode, and the key that says so.
struct RpcAddress {
  absl::string_view key;
  HostPort at;
};

absl::StatusOr<RpcAddress> ReadRpcAddress(const Config& config) {
  constexpr uint16_t kDefaultPort = 8020;
  constexpr absl::string_view kScheme = "hdfs://";
  RpcAddress out{"dfs.namenode.rpc-address", {"127.0.0.1", kDefaultPort}};
  ASSIGN_OR_RETURN(const std::string address, config.GetString(out.key));
  if (!address.empty()) {
    ASSIGN_OR_RETURN(out.at, ParseHostPort(config, out.key, address, kDefaultPort));
    return out;
  }
  ASSIGN_OR_RETURN(const std::string uri, config.GetString("fs.defaultFS"));
  if (uri.empty()) return out;
  out.key = "fs.defaultFS";
  const std::string with_scheme = WithDefaultScheme(uri);
  absl::string_view rest = with_scheme;
  if (!absl::StartsWithIgnoreCase(rest, kScheme)) {
    return config.Reject(out.key, "expected hdfs://host:port");
  }
  rest.remove_prefix(kScheme.size());
  ASSIGN_OR_RETURN(out.at,
                   ParseHostPort(config, out.key, rest.substr(0, rest.find('/')), kDefaultPort));
  return out;
}

// In gRPC's form. Resolved here: gRPC would not say that a name is unknown.
absl::StatusOr<std::string> ReadInternalAddress(const Config& config) {
  constexpr absl::string_view kKey = "cairn.namenode.internal.address";
  ASSIGN_OR_RETURN(const std::string text, config.GetString(kKey));
  ASSIGN_OR_RETURN(const HostPort address, ParseHostPort(config, kKey, text));
  ASSIGN_OR_RETURN(const std::string host, ResolveHost(config, kKey, address.host));
  return absl::StrCat(UriHost(host), ":", address.port);
}

absl::StatusOr<std::unique_ptr<UserGroups>> ReadUserGroups(const Config& config) {
  constexpr absl::string_view kKey = "hadoop.user.group.static.mapping.overrides";
  UserGroups::Options options;
  ASSIGN_OR_RETURN(options.static_overrides, config.GetString(kKey));
  absl::StatusOr<std::unique_ptr<UserGroups>> groups =
      UserGroups::Create(std::move(options), SystemClock());
  if (!groups.ok()) return config.Reject(kKey, groups.status().message());
  return groups;
}

absl::Status ReadHealing(const Config& config, HealingOptions* out) {
  RepairBudget::Options& budget = out->budget;
  ASSIGN_OR_RETURN(budget.max_streams, config.GetInt("dfs.namenode.replication.max-streams"));
  ASSIGN_OR_RETURN(budget.hard_streams,
                   config.GetInt("dfs.namenode.replication.max-streams-hard-limit"));
  budget.hard_streams = std::max(budget.hard_streams, budget.max_streams);
  ASSIGN_OR_RETURN(budget.node_bandwidth, config.GetSize("cairn.namenode.repair.node.bandwidth"));
  ASSIGN_OR_RETURN(budget.cluster_bandwidth, config.GetSize("cairn.namenode.repair.bandwidth"));
  ASSIGN_OR_RETURN(out->min_maintenance, config.GetInt("dfs.namenode.maintenance.replication.min"));
  ASSIGN_OR_RETURN(out->copy_timeout,
                   config.GetDuration("dfs.namenode.reconstruction.pending.timeout-sec"));
  ASSIGN_OR_RETURN(out->deletion_delay,
                   config.GetDuration("dfs.namenode.startup.delay.block.deletion.sec"));
  BalanceOptions& balance = out->balance;
  ASSIGN_OR_RETURN(balance.enabled, config.GetBool("cairn.namenode.balance.enabled"));
  ASSIGN_OR_RETURN(const int64_t threshold, config.GetInt("cairn.namenode.balance.threshold"));
  balance.threshold_percent = static_cast<double>(threshold);
  ASSIGN_OR_RETURN(balance.own_bandwidth, config.GetSize("cairn.namenode.balance.bandwidth"));
  ASSIGN_OR_RETURN(balance.interval, config.GetDuration("cairn.namenode.balance.interval"));
  ASSIGN_OR_RETURN(balance.job_bandwidth, config.GetSize("dfs.datanode.balance.bandwidthPerSec"));
  ASSIGN_OR_RETURN(balance.moves_per_node,
                   config.GetInt("dfs.datanode.balance.max.concurrent.moves"));
  GroupScanOptions& scan = out->group_scan;
  ASSIGN_OR_RETURN(scan.period, config.GetDuration("cairn.namenode.erasure.verify.period"));
  ASSIGN_OR_RETURN(scan.bandwidth, config.GetSize("cairn.namenode.erasure.verify.bandwidth"));
  ASSIGN_OR_RETURN(scan.parallel, config.GetInt("cairn.namenode.erasure.verify.parallel"));
  ASSIGN_OR_RETURN(scan.replace, config.GetBool("cairn.namenode.erasure.verify.replace"));
  ASSIGN_OR_RETURN(out->check_interval,
                   config.GetDuration("cairn.namenode.redundancy.check.interval"));
  return absl::OkStatus();
}

// Reads every limit and size; the keys are declared, so a bad value has stopped the start already.
absl::StatusOr<NamenodeOptions> ReadOptions(const Config& config, UserGroups& groups) {
  NamenodeOptions options;
  ASSIGN_OR_RETURN(options.defaults.block_bytes, config.GetSize("dfs.blocksize"));
  ASSIGN_OR_RETURN(options.defaults.replication, config.GetInt("dfs.replication"));
  ASSIGN_OR_RETURN(options.defaults.bytes_per_checksum, config.GetInt("dfs.bytes-per-checksum"));
  ASSIGN_OR_RETURN(options.defaults.write_packet_bytes,
                   config.GetSize("dfs.client-write-packet-size"));
  ASSIGN_OR_RETURN(const absl::Duration trash, config.GetDuration("fs.trash.interval"));
  // Rounded up: 0 would turn the trash off.
  options.defaults.trash_interval_minutes =
      absl::ToInt64Minutes(absl::Ceil(trash, absl::Minutes(1)));
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
  ASSIGN_OR_RETURN(options.erasure_coding, config.GetBool("cairn.namenode.erasure.coding"));
  ASSIGN_OR_RETURN(options.convert_grace,
                   config.GetDuration("cairn.namenode.erasure.convert.grace"));
  ASSIGN_OR_RETURN(options.default_erasure_policy,
                   config.GetString("dfs.namenode.ec.system.default.policy"));
  ASSIGN_OR_RETURN(options.access_time_precision,
                   config.GetDuration("dfs.namenode.accesstime.precision"));
  ASSIGN_OR_RETURN(options.identities.permissions, config.GetBool("dfs.permissions.enabled"));
  ASSIGN_OR_RETURN(options.retry_cache_entries,
                   config.GetInt("cairn.namenode.retry.cache.entries"));
  ASSIGN_OR_RETURN(options.retry_cache_life, config.GetDuration("cairn.namenode.retry.cache.life"));
  ASSIGN_OR_RETURN(options.leases.hard_limit,
                   config.GetDuration("dfs.namenode.lease-hard-limit-sec"));
  ASSIGN_OR_RETURN(options.heartbeat_interval, config.GetDuration("dfs.heartbeat.interval"));
  ASSIGN_OR_RETURN(options.invalidations.batch, config.GetInt("dfs.block.invalidate.limit"));
  RETURN_IF_ERROR(ReadHealing(config, &options.healing));
  options.identities.superuser = ProcessUserName();
  ASSIGN_OR_RETURN(options.identities.supergroup,
                   config.GetString("dfs.permissions.superusergroup"));
  options.identities.groups_of = [&groups](const std::string& user) {
    return *groups.GroupsOf(user);
  };
  return options;
}

// Else `setErasureCodingPolicy` would be the first to say so, to somebody who cannot mend it. As in
// HDFS an empty name is none: then who sets a policy has to name it.
absl::Status CheckDefaultPolicy(const Config& config, const NamenodeImpl& namenode) {
  constexpr absl::string_view kKey = "dfs.namenode.ec.system.default.policy";
  ASSIGN_OR_RETURN(const bool offered, config.GetBool("cairn.namenode.erasure.coding"));
  ASSIGN_OR_RETURN(const std::string name, config.GetString(kKey));
  if (!offered || name.empty() || namenode.KnowsErasurePolicy(name)) return absl::OkStatus();
  return config.Reject(kKey, "the cluster has no erasure coding policy of this name");
}

}  // namespace

absl::StatusOr<HostPort> ClientAddress(const Config& config) {
  ASSIGN_OR_RETURN(const RpcAddress address, ReadRpcAddress(config));
  return address.at;
}

absl::StatusOr<NamenodeServer::Endpoints> NamenodeServer::ReadEndpoints(const Config& config) {
  Endpoints out;
  ASSIGN_OR_RETURN(const RpcAddress address, ReadRpcAddress(config));
  out.rpc_host = address.at.host;
  out.rpc_port = address.at.port;
  // As in HDFS: the address that clients use, unless another one is named to bind to.
  constexpr absl::string_view kBindKey = "dfs.namenode.rpc-bind-host";
  ASSIGN_OR_RETURN(const std::string bind, config.GetString(kBindKey));
  const absl::string_view key = bind.empty() ? address.key : kBindKey;
  ASSIGN_OR_RETURN(out.rpc_bind, ResolveHost(config, key, bind.empty() ? out.rpc_host : bind));
  ASSIGN_OR_RETURN(out.internal, ReadInternalAddress(config));
  return out;
}

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

absl::StatusOr<std::unique_ptr<NamenodeServer>> NamenodeServer::Start(const Config& config,
                                                                      bool upgrade) {
  std::unique_ptr<NamenodeServer> server(new NamenodeServer);
  server->descriptors_ =
      ShareDescriptors(DescriptorLimit(), {.tables = StoreOptions().max_open_files,
                                           .datanodes = DatanodeServer::Options().max_connections,
                                           .clients = rpc::RpcServerOptions().max_connections});
  ASSIGN_OR_RETURN(server->endpoints_, ReadEndpoints(config));
  ASSIGN_OR_RETURN(server->groups_, ReadUserGroups(config));
  ClusterState::Options cluster;
  ASSIGN_OR_RETURN(cluster.stale_interval, config.GetDuration("cairn.namenode.stale.interval"));
  ASSIGN_OR_RETURN(cluster.dead_interval, config.GetDuration("cairn.namenode.dead.interval"));
  ASSIGN_OR_RETURN(cluster.lost_disk_wait, config.GetDuration("cairn.namenode.lost.disk.wait"));
  server->cluster_ = std::make_unique<ClusterState>(cluster, SystemClock());
  ASSIGN_OR_RETURN(server->topology_, Topology::Start(config, *server->cluster_));
  ASSIGN_OR_RETURN(NamenodeOptions options, ReadOptions(config, *server->groups_));
  RETURN_IF_ERROR(server->OpenStorage(config, std::move(options), upgrade));
  RETURN_IF_ERROR(server->Serve(config));
  return server;
}

absl::Status NamenodeServer::OpenStorage(const Config& config, NamenodeOptions options,
                                         bool upgrade) {
  ASSIGN_OR_RETURN(const std::string directory, StorageDirectory(config));
  JournalOptions journal;
  ASSIGN_OR_RETURN(journal.segment_bytes, JournalSegmentBytes(config));
  FileSystem& fs = PosixFileSystem();
  // First what a kill has left: of a rollback it may be VERSION that is not in its place.
  if (fs.Exists(VersionFile(directory)) || IsRestoreDecided(fs, directory)) {
    ASSIGN_OR_RETURN(lock_, fs.Lock(LockFile(directory)));
    RETURN_IF_ERROR(FinishRestore(fs, directory).status());
    RETURN_IF_ERROR(RemoveHalfPrevious(fs, directory));
  }
  ASSIGN_OR_RETURN(const StorageVersion version, ReadVersion(fs, directory, upgrade));

  StoreOptions store;
  store.directory = StoreDirectory(directory);
  store.max_open_files = descriptors_.tables;
  ASSIGN_OR_RETURN(store.cache_bytes, config.GetSize("cairn.namenode.store.cache"));
  ASSIGN_OR_RETURN(store.write_buffer_bytes, config.GetSize("cairn.namenode.store.write.buffer"));
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
  Store::StartThread();
  ASSIGN_OR_RETURN(store_, WithAdvice(Store::Open(store, durable, with_lock), kRestoreAdvice));
  const size_t retry_entries = options.retry_cache_entries;
  namenode_ = std::make_unique<NamenodeImpl>(std::move(options), SystemClock(), *store_, *cluster_);
  namenode_view_.store(namenode_.get(), std::memory_order_release);
  RETURN_IF_ERROR(WithAdvice(namenode_->OpenStore(), kRestoreAdvice));

  ASSIGN_OR_RETURN(const std::vector<std::string> journals, JournalDirectories(config));
  ASSIGN_OR_RETURN(journal_locks_, LockJournals(fs, directory, journals));
  journal.cluster_id = version.cluster_id;
  ASSIGN_OR_RETURN(journal.keep, config.GetDuration("cairn.namenode.journal.keep"));
  ASSIGN_OR_RETURN(journal.keep_bytes, config.GetSize("cairn.namenode.journal.keep.size"));
  // Edits that the store has already are read once more for the retry cache, as many as it holds.
  const TxId applied = store_->applied();
  const TxId from{ToInt(applied) > retry_entries ? ToInt(applied) - retry_entries + 1 : 1};
  const auto replay = [this](TxId txid, absl::string_view edit) {
    return namenode_->Replay(txid, edit);
  };
  ASSIGN_OR_RETURN(journal_, WithAdvice(OpenMirroredJournal(fs, SystemClock(), journal, journals,
                                                            applied, from, replay),
                                        kRecoverAdvice));
  journal_view_.store(journal_.get(), std::memory_order_release);
  journal_->OnFailure([](const absl::Status& status) {
    // Nothing of the failed batch was answered, and nothing more may be: what is on the medium is
    // known only by reading it again, which the next start does.
    LOG_ERROR("journal: {}. The namenode stops.", status.ToString());
    std::_Exit(1);
  });
  RETURN_IF_ERROR(CheckDefaultPolicy(config, *namenode_));
  directory_ = directory;
  if (upgrade) RETURN_IF_ERROR(Upgrade(directory, version));
  upgrade_final_.store(!fs.Exists(PreviousDirectory(directory)));
  namenode_->StartServing(*journal_);
  RETURN_IF_ERROR(StartCheckpoints(config, directory, version.cluster_id, version.block_pool_id));
  ASSIGN_OR_RETURN(const absl::Duration longest,
                   config.GetDuration("cairn.namenode.safemode.longest"));
  namenode_->StartSafeMode(longest);
  return absl::OkStatus();
}

absl::Status NamenodeServer::Upgrade(const std::string& directory, const StorageVersion& version) {
  FileSystem& fs = PosixFileSystem();
  ASSIGN_OR_RETURN(const std::string text, VersionText(fs, directory));
  RETURN_IF_ERROR(store_->Flush());
  RETURN_IF_ERROR(
      KeepPrevious(fs, SystemClock(), directory,
                   {.cluster_id = version.cluster_id,
                    .block_pool_id = version.block_pool_id,
                    .layout_version = version.layout,
                    .copy = [this](const std::string& to) { return store_->CopyTo(to); }},
                   store_->applied(), text, version.layout != kLayoutVersion));
  RETURN_IF_ERROR(RaiseVersion(fs, directory));
  CRASH_POINT("upgrade_version_raised");
  LOG_INFO("upgraded from layout {} to {}; the state before is kept in {} until it is final",
           version.layout, kLayoutVersion, PreviousDirectory(directory));
  return absl::OkStatus();
}

Outcome<Nothing> NamenodeServer::Finalize(const Caller& caller) {
  const Outcome<Nothing> outcome = namenode_->FinalizeRestore(caller);
  if (outcome.value.ok()) {
    upgrade_final_.store(true);
    remove_previous_.store(true);
  }
  return outcome;
}

absl::Status NamenodeServer::StartCheckpoints(const Config& config, const std::string& directory,
                                              const std::string& cluster_id,
                                              const std::string& block_pool_id) {
  Checkpointer::Options options{.parent = CheckpointDirectory(directory),
                                .cluster_id = cluster_id,
                                .block_pool_id = block_pool_id,
                                .layout_version = kLayoutVersion};
  CheckpointPolicy& policy = options.policy;
  ASSIGN_OR_RETURN(policy.period, config.GetDuration("dfs.namenode.checkpoint.period"));
  ASSIGN_OR_RETURN(policy.transactions, config.GetInt("dfs.namenode.checkpoint.txns"));
  ASSIGN_OR_RETURN(policy.retained, config.GetInt("dfs.namenode.num.checkpoints.retained"));
  ASSIGN_OR_RETURN(policy.journal_bytes, config.GetSize("cairn.namenode.checkpoint.journal.size"));
  ASSIGN_OR_RETURN(checkpointer_, Checkpointer::Start(PosixFileSystem(), SystemClock(),
                                                      std::move(options), *store_, *journal_));
  return absl::OkStatus();
}

void NamenodeServer::SaveNamespace(const SaveNamespaceRequest& asked,
                                   ClientProtocolOptions::Saved saved) {
  if (asked.time_window > absl::ZeroDuration() || asked.transaction_gap > 0) {
    const CheckpointAge age = checkpointer_->age();
    if (age.any && age.time <= asked.time_window && age.edits <= asked.transaction_gap) {
      return saved(false);
    }
  }
  checkpointer_->Request([saved = std::move(saved)](const absl::StatusOr<Checkpoint>& made) {
    if (made.ok()) {
      saved(true);
    } else {
      saved(made.status());
    }
  });
}

absl::Status NamenodeServer::Serve(const Config& config) {
  ASSIGN_OR_RETURN(int64_t threads, config.GetInt("cairn.namenode.io.threads"));
  if (threads == 0) threads = std::max(1u, std::thread::hardware_concurrency());
  io_ = std::make_unique<IoThreads>(static_cast<int>(threads), "nn-io");
  gate_ = std::make_unique<JournalGate>(*journal_);

  DatanodeServer::Options datanodes;
  datanodes.address = endpoints_.internal;
  datanodes.max_connections = descriptors_.datanodes;
  ASSIGN_OR_RETURN(datanodes_, DatanodeServer::Start(datanodes, *namenode_));

  const Scheduler schedule = [this](absl::Duration delay, std::function<void()> run) {
    auto timer = std::make_shared<boost::asio::steady_timer>(io_->Next());
    timer->expires_after(absl::ToChronoNanoseconds(delay));
    timer->async_wait([timer, run = std::move(run)](const boost::system::error_code& error) {
      if (!error) run();
    });
  };
  ClientProtocolOptions protocol;
  protocol.save_namespace = [this](const SaveNamespaceRequest& asked,
                                   ClientProtocolOptions::Saved saved) {
    SaveNamespace(asked, std::move(saved));
  };
  protocol.finalize = [this](const Caller& caller) { return Finalize(caller); };
  protocol.upgrade_final = [this] { return upgrade_final_.load(); };
  protocol.roll_edits = [this]() -> absl::StatusOr<uint64_t> {
    ASSIGN_OR_RETURN(const TxId first, journal_->Roll());
    return ToInt(first);
  };
  ASSIGN_OR_RETURN(const std::string log, config.GetString("cairn.log.file"));
  meta_saver_ = std::make_unique<MetaSaver>(
      PosixFileSystem(), SystemClock(), *namenode_,
      log.empty() ? absl::StrCat(directory_, "/log") : ParentDirectory(log));
  protocol.meta_save = [this](absl::string_view user, absl::string_view file_name,
                              std::function<void(const absl::Status&)> done) {
    meta_saver_->Save(user, file_name, std::move(done));
  };
  ASSIGN_OR_RETURN(protocol.batched_paths, config.GetInt("dfs.batched.ls.limit"));
  ASSIGN_OR_RETURN(protocol.listing_limit, config.GetInt("dfs.ls.limit"));
  protocol.refresh_nodes = [this] { return topology_->Refresh(); };
  protocol.counters = &operations_;
  services_.push_back(
      std::make_unique<ClientProtocolService>(*namenode_, schedule, std::move(protocol)));
  AdminProtocolService::Options admin;
  admin.version = kVersion;
  ASSIGN_OR_RETURN(admin.min_replication, config.GetInt("dfs.namenode.replication.min"));
  ASSIGN_OR_RETURN(admin.stale_interval, config.GetDuration("cairn.namenode.stale.interval"));
  ASSIGN_OR_RETURN(admin.dead_interval, config.GetDuration("cairn.namenode.dead.interval"));
  admin.journals = [this] {
    std::vector<AdminProtocolService::Journal> journals;
    for (const JournalCopyState& copy : journal_->copies()) {
      journals.push_back(
          {copy.directory, ToInt(copy.durable), std::string(copy.dropped.message())});
    }
    return journals;
  };
  services_.push_back(std::make_unique<AdminProtocolService>(*namenode_, operations_, SystemClock(),
                                                             std::move(admin)));
  services_.push_back(std::make_unique<CairnProtocolService>(
      *namenode_, operations_, [this] { return upgrade_final_.load(); }));
  services_.push_back(std::make_unique<HaProtocolService>());
  services_.push_back(std::make_unique<UserMappingsService>(
      [this](absl::string_view user) { return *groups_->GroupsOf(user); }));
  for (auto& service : MakeRefreshServices()) services_.push_back(std::move(service));
  std::vector<rpc::RpcService*> services;
  for (const auto& service : services_) services.push_back(service.get());

  rpc::RpcServerOptions options;
  options.bind_address = endpoints_.rpc_bind;
  options.port = endpoints_.rpc_port;
  options.LimitConnections(descriptors_.clients);
  ASSIGN_OR_RETURN(rpc_, rpc::RpcServer::Start(options, *io_, gate_.get(), services));
  maintenance_ = std::thread([this] { Maintain(); });
  healing_ = std::thread([this] { Heal(); });
  order_bell_ = std::thread([this] {
    SetThreadName("order-bell");
    namenode_->RunOrderBell();
  });
  return absl::OkStatus();
}

DaemonFacts NamenodeServer::facts() const {
  return {{"rpc", absl::StrCat(rpc_->port())},
          {"internal", absl::StrCat(datanodes_->port())},
          {"uri", absl::StrCat("hdfs://", UriHost(endpoints_.rpc_host), ":", rpc_->port())}};
}

// False: the namenode stops. Work that is left is done in slices; the pause between them leaves the
// lock to requests.
bool NamenodeServer::Pause(bool more) {
  MutexLock lock(mu_);
  if (!stopping_) {
    wake_.WaitFor(mu_, more ? std::chrono::milliseconds(1) : std::chrono::milliseconds(100));
  }
  return !stopping_;
}

void NamenodeServer::Maintain() {
  SetThreadName("nn-maintain");
  do {
    namenode_->RunMaintenance();
    if (remove_previous_.exchange(false)) {
      const absl::Status removed = RemovePrevious(PosixFileSystem(), directory_);
      if (!removed.ok()) LOG_WARN("the state before the upgrade stays: {}", removed.message());
    }
    // A checkpoint is worth as much as the edits after it.
    journal_->Release(std::min(store_->applied(), checkpointer_->oldest()));
  } while (Pause(namenode_->HasBackgroundWork() || namenode_->IsWalkingReplicas()));
}

void NamenodeServer::Heal() {
  SetThreadName("nn-heal");
  while (Pause(namenode_->RunHealing())) {
  }
}

void NamenodeServer::StopMaintenance() {
  {
    MutexLock lock(mu_);
    stopping_ = true;
    wake_.NotifyAll();
  }
  if (maintenance_.joinable()) maintenance_.join();
  if (healing_.joinable()) healing_.join();
  if (namenode_ != nullptr) namenode_->EndWaits();
  if (order_bell_.joinable()) order_bell_.join();
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
  checkpointer_.reset();
  meta_saver_.reset();
  if (io_) io_->Stop();
}

}  // namespace cairn::namenode
