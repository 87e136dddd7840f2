#include "datanode/datanode.h"

#include <unistd.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/clock.h"
#include "common/logging.h"
#include "common/net/domain_socket.h"
#include "common/status_macros.h"
#include "common/version.h"
#include "datanode/pipeline/block_receiver.h"
#include "datanode/rebuild/rebuild.h"
#include "datanode/rebuild/verify_units.h"
#include "datanode/recovery/block_recovery.h"
#include "datanode/volume/replica_loader.h"
#include "datanode/volume/volume_changes.h"

namespace cairn::datanode {
namespace {

constexpr int kOrderThreads = 2;
// They mostly wait for other datanodes, 5 s for one that is silent.
constexpr int kRecoveryThreads = 8;
// Parsed, a hostile request (empty nested messages) takes up to a hundred times its size. The
// longest honest one names the datanodes of a block.
constexpr size_t kMaxIpcRequestBytes = size_t{64} << 10;
constexpr size_t kMostReasonBytes = 400;  // the namenode takes 500
constexpr absl::string_view kDataDirs = "dfs.datanode.data.dir";

std::string HostName() {
  char name[256] = {};
  if (::gethostname(name, sizeof(name) - 1) != 0) return "localhost";
  return name;
}

hdfs::DatanodeInfoProto ToDatanodeInfo(const internal::Replicate::Target& target) {
  hdfs::DatanodeInfoProto info;
  hdfs::DatanodeIDProto* const id = info.mutable_id();
  id->set_ipaddr(target.address().ip());
  id->set_hostname(target.address().host_name());
  id->set_datanodeuuid(target.datanode_uuid());
  id->set_xferport(target.address().transfer_port());
  id->set_infoport(target.address().http_port());
  id->set_ipcport(target.address().ipc_port());
  return info;
}

}  // namespace

Datanode::Datanode(DatanodeOptions options, NamenodeLink& link)
    : options_(std::move(options)),
      session_(link),
      events_(slots_, session_),
      buffers_(kWriteBufferBytes, options_.write_buffers),
      io_threads_(options_.io_threads, "io"),
      disk_(options_.disk_threads),
      orders_(kOrderThreads),
      recoveries_(kRecoveryThreads),
      answers_(kOrderThreads) {}

absl::StatusOr<std::unique_ptr<Datanode>> Datanode::Start(FileSystem& fs, DatanodeOptions options,
                                                          NamenodeLink& link,
                                                          std::function<void(bool)> shut_down) {
  std::unique_ptr<Datanode> datanode(new Datanode(std::move(options), link));
  datanode->fs_ = &fs;
  datanode->shut_down_ = std::move(shut_down);
  if (const absl::Status status = datanode->Begin(); !status.ok()) {
    if (datanode->WaitsForADisk())
      (void)datanode.release();  // NOLINT: as the comment on Start says
    return status;
  }
  datanode->watch_ = std::make_unique<VolumeWatch>(
      *datanode->store_, datanode->options_.watch,
      [datanode = datanode.get()](const absl::Status& why) {
        {
          MutexLock lock(datanode->mu_);
          datanode->stop_reason_ = why;
        }
        datanode->shut_down_(/*restarts=*/false);
      },
      [datanode = datanode.get()] {
        for (DiskPool* const pool :
             {&datanode->disk_, &datanode->orders_, &datanode->recoveries_, &datanode->answers_}) {
          pool->ReplaceStuck();
        }
      });
  return datanode;
}

absl::Status Datanode::Begin() {
  RETURN_IF_ERROR(OpenStore(*fs_));
  RETURN_IF_ERROR(StartPorts());
  return StartSession();
}

Datanode::~Datanode() {
  watch_.reset();
  if (reconfiguration_ != nullptr) reconfiguration_->Stop();
  session_.Stop();
  recoveries_.Stop();
  orders_.Stop();
  answers_.Stop();
  rpc_.reset();
  transfer_.reset();
  disk_.Stop();
  balancer_.reset();
  scanner_.reset();
  io_threads_.Stop();
}

// A disk that cannot be used at start is like one that fails later; a directory that is somebody
// else's, or damaged, is for an administrator to look at.
absl::StatusOr<std::vector<std::unique_ptr<Volume>>> Datanode::OpenVolumes(FileSystem& fs) {
  std::vector<VolumeSpec> usable;
  std::string reasons;
  const auto failed = [&](const VolumeSpec& spec, const absl::Status& why) -> absl::Status {
    if (absl::IsFailedPrecondition(why) || absl::IsInvalidArgument(why)) return why;
    LOG_ERROR("volume {} cannot be used: {}", spec.path, why);
    absl::StrAppend(&reasons, "; ", spec.path, ": ", why.message());
    ++options_.watch.failed_at_start;
    return absl::OkStatus();
  };
  const absl::Duration limit = options_.watch.hang_limit;
  const absl::Status hangs = absl::DeadlineExceededError(
      absl::StrCat("it hangs: it could not be opened within ", absl::FormatDuration(limit)));
  // A few calls, for which one limit will do.
  const auto late = [limit] {
    return [until = SystemClock().Monotonic() + limit](size_t) {
      return SystemClock().Monotonic() >= until;
    };
  };
  using Uuid = absl::StatusOr<std::string>;
  const auto uuids = opening_.Each<Uuid>(
      options_.volumes.size(),
      [&fs, specs = options_.volumes](size_t i) { return Volume::PeekDatanodeUuid(fs, specs[i]); },
      late());
  for (size_t i = 0; i < uuids.size(); ++i) {
    const Uuid uuid = uuids[i].value_or(hangs);
    if (!uuid.ok()) {
      RETURN_IF_ERROR(failed(options_.volumes[i], uuid.status()));
      continue;
    }
    if (datanode_uuid_.empty()) datanode_uuid_ = *uuid;
    usable.push_back(options_.volumes[i]);
  }
  if (datanode_uuid_.empty()) datanode_uuid_ = NewUuid();
  using Opened = absl::StatusOr<std::unique_ptr<Volume>>;
  auto opened = opening_.Each<Opened>(
      usable.size(),
      [&fs, usable, reserved = options_.reserved_bytes, uuid = datanode_uuid_](size_t i) {
        return Volume::Open(fs, usable[i], reserved, uuid);
      },
      late());
  std::vector<std::unique_ptr<Volume>> volumes;
  for (size_t i = 0; i < opened.size(); ++i) {
    Opened volume = opened[i].has_value() ? *std::move(opened[i]) : hangs;
    if (!volume.ok()) {
      RETURN_IF_ERROR(failed(usable[i], volume.status()));
      continue;
    }
    volumes.push_back(*std::move(volume));
  }
  const int configured = static_cast<int>(options_.volumes.size());
  const int lost = options_.watch.failed_at_start;
  if (lost > 0 && TooManyFailed(configured, lost, options_.watch.tolerated)) {
    return absl::FailedPreconditionError(absl::StrCat(
        "too many failed volumes: ", lost, " of ", configured,
        ", dfs.datanode.failed.volumes.tolerated is ", options_.watch.tolerated, reasons));
  }
  return volumes;
}

absl::Status Datanode::OpenStore(FileSystem& fs) {
  ASSIGN_OR_RETURN(std::vector<std::unique_ptr<Volume>> volumes, OpenVolumes(fs));
  store_ = std::make_unique<ReplicaStore>(std::move(volumes), options_.store, events_);
  RETURN_IF_ERROR(AdoptKnownCluster());
  RETURN_IF_ERROR(store_->Load(options_.watch.hang_limit));
  return CheckVolumes(*store_, options_.watch);
}

// A volume that was added, or formatted anew, belongs where the others do.
absl::Status Datanode::AdoptKnownCluster() {
  const std::vector<Volume*> volumes = store_->volumes();
  VolumeIdentity known;
  for (const Volume* const volume : volumes) {
    if (!volume->identity().cluster_id.empty()) known = volume->identity();
  }
  if (known.cluster_id.empty()) return absl::OkStatus();
  const auto adopted = opening_.Each<absl::Status>(
      volumes.size(),
      [volumes, known](size_t i) {
        return volumes[i]->AdoptCluster(known.cluster_id, known.block_pool_id);
      },
      [&](size_t i) {
        JudgeHang(*volumes[i], options_.watch.hang_limit);
        return volumes[i]->failed();
      });
  for (size_t i = 0; i < volumes.size(); ++i) {
    if (!adopted[i].has_value()) continue;  // marked
    if (absl::IsFailedPrecondition(*adopted[i])) return *adopted[i];
    if (!adopted[i]->ok()) volumes[i]->MarkFailed(*adopted[i]);
  }
  return absl::OkStatus();
}

std::vector<PropertyChange> Datanode::ApplyConfiguration() {
  PropertyChange change{.name = std::string(kDataDirs), .old_value = options_.data_dirs};
  if (options_.reload == nullptr) return {};
  const absl::StatusOr<DatanodeOptions> wanted = options_.reload();
  if (!wanted.ok()) {
    change.status = wanted.status();
    return {change};
  }
  change.new_value = wanted->data_dirs;
  std::vector<VolumeInUse> now;
  int index = 0;
  for (const Volume* const volume : store_->volumes()) {
    if (!volume->retired()) {
      now.push_back({.index = index, .spec = volume->spec(), .failed = volume->failed()});
    }
    ++index;
  }
  const absl::StatusOr<VolumeChanges> changes = PlanVolumeChanges(now, wanted->volumes);
  if (!changes.ok()) {
    change.status = changes.status();
    return {change};
  }
  if (changes->empty() && change.new_value == change.old_value) return {};
  change.status = ChangeVolumes(*changes);
  if (change.status.ok()) {
    options_.data_dirs = wanted->data_dirs;
    options_.volumes = wanted->volumes;
  }
  return {change};
}

// Goes on after an error: what can be done of the rest is done, and the first error told.
absl::Status Datanode::ChangeVolumes(const VolumeChanges& changes) {
  absl::Status first;
  // Before the others go: their replicas need room, and one volume must always be left. But a disk
  // that is replaced goes before the one that takes its place.
  std::vector<int> later;
  const auto remove = [&](int index) {
    first.Update(store_->RemoveVolume(index, kStopWriterLimit));
  };
  for (const int index : changes.remove) {
    const std::string& path = store_->VolumeAt(index).path();
    const bool replaced = std::any_of(changes.add.begin(), changes.add.end(),
                                      [&](const VolumeSpec& spec) { return spec.path == path; });
    if (replaced) {
      remove(index);
    } else {
      later.push_back(index);
    }
  }
  for (const VolumeSpec& spec : changes.add) {
    const absl::Status added = AddVolume(spec);
    if (!added.ok()) {
      first.Update(absl::Status(added.code(), absl::StrCat(spec.path, ": ", added.message())));
    }
  }
  const auto usable = [this] {
    const std::vector<Volume*> all = store_->volumes();
    return std::count_if(all.begin(), all.end(), [](const Volume* v) { return !v->failed(); });
  };
  for (const int index : later) {
    const bool last = !store_->VolumeAt(index).failed() && usable() == 1;
    if (last) {
      first.Update(absl::FailedPreconditionError(
          absl::StrCat(store_->VolumeAt(index).path(), ": is the last volume that can be used")));
    } else {
      remove(index);
    }
  }
  session_.TriggerReport(/*full=*/true);
  return first;
}

absl::Status Datanode::AddVolume(const VolumeSpec& spec) {
  ASSIGN_OR_RETURN(auto volume, Volume::Open(*fs_, spec, options_.reserved_bytes, datanode_uuid_));
  const VolumeIdentity known = store_->volumes().front()->identity();
  if (!known.cluster_id.empty()) {
    RETURN_IF_ERROR(volume->AdoptCluster(known.cluster_id, known.block_pool_id));
  }
  ASSIGN_OR_RETURN(const std::vector<ReplicaInfo> found, LoadReplicas(*volume, 0));
  ASSIGN_OR_RETURN(const int index, store_->AddVolume(std::move(volume), found));
  scanner_->Watch(index);
  return absl::OkStatus();
}

absl::Status Datanode::StartPorts() {
  context_.reset(new TransferContext{*store_, disk_, buffers_, options_.transfer, slots_});
  context_->balance.SetRate(options_.balance_bandwidth);
  scanner_ = std::make_unique<Scanner>(*store_, options_.scan);
  balancer_ = std::make_unique<DiskBalancer>(*store_, options_.balancer);
  if (options_.scan.pace.enabled()) {
    context_->suspect = [this](const ReplicaInfo& replica) { scanner_->Suspect(replica); };
  }
  ASSIGN_OR_RETURN(transfer_, TransferServer::Start(*context_, io_threads_));
  ListenLocally();
  reconfiguration_ = std::make_unique<Reconfiguration>(
      std::vector<std::string>{std::string(kDataDirs)}, [this] { return ApplyConfiguration(); });
  client_service_ = std::make_unique<ClientDatanodeService>(
      *store_, ClientDatanodeService::Hooks{
                   .superuser = options_.superuser,
                   .software_version = kVersion,
                   .started = absl::Now(),
                   .trigger_report = [this](bool full) { session_.TriggerReport(full); },
                   .shut_down = shut_down_,
                   .balance_bandwidth = [this] { return context_->balance.rate(); },
                   .reconfiguration = reconfiguration_.get()});
  admin_service_ = std::make_unique<AdminService>(SystemClock(), kVersion, options_.superuser);
  inter_service_ = std::make_unique<InterDatanodeService>(*store_, answers_);
  rpc::RpcServerOptions rpc_options;
  rpc_options.bind_address = options_.ipc_bind_address;
  rpc_options.port = options_.ipc_port;
  rpc_options.LimitConnections(options_.ipc_connections);
  rpc_options.max_request_bytes = kMaxIpcRequestBytes;
  ASSIGN_OR_RETURN(rpc_, rpc::RpcServer::Start(
                             std::move(rpc_options), io_threads_, nullptr,
                             {client_service_.get(), inter_service_.get(), admin_service_.get()}));
  return absl::OkStatus();
}

// Without it clients of this machine read over TCP like all others.
void Datanode::ListenLocally() {
  if (options_.domain_socket.empty()) return;
  const std::string path = DomainSocketPath(options_.domain_socket, options_.advertised_port != 0
                                                                        ? options_.advertised_port
                                                                        : transfer_->port());
  if (const absl::Status status = transfer_->ListenLocally(path); !status.ok()) {
    LOG_WARN("no short-circuit reads: {}", status);
  } else {
    LOG_INFO("short-circuit reads at {}", path);
  }
}

absl::Status Datanode::StartSession() {
  SessionOptions session{.datanode_uuid = datanode_uuid_,
                         .software_version = kVersion,
                         .heartbeat_interval = options_.heartbeat_interval,
                         .report_interval = options_.report_interval};
  session.address.set_ip(options_.advertised_ip);
  session.address.set_host_name(options_.advertised_host.empty() ? HostName()
                                                                 : options_.advertised_host);
  session.address.set_transfer_port(options_.advertised_port != 0 ? options_.advertised_port
                                                                  : transfer_->port());
  session.address.set_ipc_port(rpc_->port());
  return session_.Start(
      std::move(session), *store_, [this] { return transfer_->transfers(); },
      [this](const internal::Command& command) { Obey(command); });
}

std::string Datanode::BlockPool() const {
  return store_->volumes().front()->identity().block_pool_id;
}

void Datanode::Obey(const internal::Command& command) {
  switch (command.order_case()) {
    case internal::Command::kInvalidate:
      // Another namenode, or the same one after a restart, has chosen which replicas are to go
      // from what is reported to it: it does not know of this order.
      orders_.Run([this, order = command.invalidate(), session = session_.registrations()] {
        const auto still_valid = [this, session] { return session_.registrations() == session; };
        for (const internal::BlockRef& block : order.blocks()) {
          const absl::Status status = store_->Invalidate(
              BlockId{block.block_id()}, GenerationStamp{block.generation_stamp()}, still_valid);
          if (!status.ok()) LOG_WARN("deleting {}: {}", NameOf(BlockId{block.block_id()}), status);
        }
      });
      break;
    case internal::Command::kReplicate: {
      const internal::Replicate& order = command.replicate();
      Push push{.block = BlockId{order.block().block_id()},
                .stamp = GenerationStamp{order.block().generation_stamp()},
                .balance_bytes_per_second = order.balance_bytes_per_second()};
      for (const internal::Replicate::Target& target : order.targets()) {
        push.targets.push_back(ToDatanodeInfo(target));
        push.storage_ids.push_back(target.storage_uuid());
        const int type = static_cast<int>(target.storage_type());
        push.storage_types.push_back(hdfs::StorageTypeProto_IsValid(type)
                                         ? static_cast<hdfs::StorageTypeProto>(type)
                                         : hdfs::STORAGE_TYPE_DISK);
      }
      if (push.targets.empty()) break;
      internal::FailedCopy failed;
      failed.set_block_id(order.block().block_id());
      failed.set_generation_stamp(order.block().generation_stamp());
      for (const internal::Replicate::Target& target : order.targets()) {
        failed.add_target_uuids(target.datanode_uuid());
      }
      transfer_->Replicate(std::move(push),
                           [this, failed](const absl::Status& why) { TellFailed(failed, why); });
      break;
    }
    case internal::Command::kRebuild:
      Rebuild(command.rebuild());
      break;
    case internal::Command::kVerifyGroup:
      VerifyUnitsOf(command.verify_group());
      break;
    case internal::Command::kTruncate:
      orders_.Run([this, order = command.truncate()] {
        const BlockId block{order.block().block_id()};
        absl::Status status = StopWriterAndWait(*store_, block);
        if (status.ok()) {
          status =
              store_->Truncate(block, GenerationStamp{order.block().generation_stamp()},
                               GenerationStamp{order.new_generation_stamp()}, order.new_length());
        }
        if (!status.ok()) LOG_WARN("truncating {}: {}", NameOf(block), status);
      });
      break;
    case internal::Command::kVerify:
      orders_.Run([this, order = command.verify()] { Verify(order); });
      break;
    case internal::Command::kBalanceBandwidth:
      context_->balance.SetRate(command.balance_bandwidth().bytes_per_second());
      LOG_INFO("copies for balance may use {} bytes a second", context_->balance.rate());
      break;
    case internal::Command::kRecover:
      recoveries_.Run([this, order = command.recover()] { Recover(order); });
      break;
    default:
      LOG_WARN("the namenode gave an order that this datanode does not know");
      break;
  }
}

void Datanode::TellFailed(internal::FailedCopy failed, const absl::Status& why) {
  failed.set_reason(EscapeForLog(why.message(), kMostReasonBytes));
  session_.CopyFailed(std::move(failed));
}

void Datanode::Rebuild(const internal::RebuildUnits& order) {
  const auto tell = [this, order](const RebuildOutcome& outcome) {
    const std::vector<absl::Status>& targets = outcome.targets;
    for (size_t i = 0; i < targets.size(); ++i) {
      if (targets[i].ok()) continue;
      LOG_WARN("rebuilding unit {} of block group {}: {}",
               order.targets(static_cast<int>(i)).unit(),
               ToSigned(BlockId{order.group().block_id()}), EscapeForLog(targets[i].message()));
      const auto failed = FailureOf(order, static_cast<int>(i));
      if (failed.has_value()) TellFailed(*failed, targets[i]);
    }
    if (!outcome.wrong.has_value()) return;
    std::optional<internal::WrongUnit> wrong = WrongUnitOf(order, outcome.wrong->unit);
    if (!wrong.has_value()) return;
    wrong->set_reason(EscapeForLog(outcome.wrong->why, kMostReasonBytes));
    session_.FoundWrong(*std::move(wrong));
  };
  absl::StatusOr<RebuildOrder> checked = CheckRebuild(order);
  if (!checked.ok()) {
    const auto targets = std::min(static_cast<size_t>(order.targets_size()),
                                  size_t{erasure::kMaxUnits});  // a group has no more
    return tell({.targets = std::vector<absl::Status>(targets, checked.status()), .wrong = {}});
  }
  // The server's destructor waits for this, with `transfer_` null already.
  TransferServer& server = *transfer_;
  server.Run([this, &server, tell, checked = *std::move(checked)]() -> awaitable<void> {
    const std::function<bool()> stopping = [&server] { return server.stopping(); };
    const RebuildOutcome outcome = co_await RebuildUnits(*context_, checked, stopping);
    tell(outcome);
  });
}

void Datanode::VerifyUnitsOf(const internal::VerifyGroup& order) {
  const auto tell = [this, order](const UnitsVerdict& verdict) {
    std::optional<internal::GroupVerdict> out = VerdictOf(order, verdict);
    if (!out.has_value()) return;
    out->set_reason(EscapeForLog(verdict.why, kMostReasonBytes));
    const bool agree = verdict.result == UnitsVerdict::Result::kAgree;
    if (!agree) LOG_WARN("verifying a block group: {}", EscapeForLog(verdict.why));
    session_.GroupVerified(*std::move(out));
  };
  absl::StatusOr<VerifyOrder> checked = CheckVerify(order);
  if (!checked.ok()) return tell({.why = std::string(checked.status().message())});
  TransferServer& server = *transfer_;  // as in Rebuild
  server.Run([this, &server, tell, checked = *std::move(checked)]() -> awaitable<void> {
    const std::function<bool()> stopping = [&server] { return server.stopping(); };
    const UnitsVerdict verdict = co_await VerifyUnits(*context_, checked, stopping);
    tell(verdict);
  });
}

void Datanode::Verify(const internal::VerifyReplica& order) {
  const BlockId id{order.block().block_id()};
  const GenerationStamp stamp{order.block().generation_stamp()};
  const std::optional<ReplicaInfo> replica = store_->Find(id);
  if (!replica.has_value()) return store_->TellAbsent(id, stamp);
  LOG_INFO("{}: a reader doubts this replica; looking at it", NameOf(id));
  if (context_->suspect != nullptr) return context_->suspect(*replica);  // what is on the medium
  const absl::Status status = store_->Verify(id, replica->stamp);
  if (!status.ok()) LOG_WARN("{}: {}", NameOf(id), status);
}

void Datanode::Recover(const internal::RecoverBlock& order) {
  const absl::Status status = RecoverBlock(
      order,
      [this](const internal::Replicate::Target& target) {
        return target.datanode_uuid() == datanode_uuid_
                   ? NewLocalPeer(*store_)
                   : NewRemotePeer(target, BlockPool(), io_threads_);
      },
      [this, &order] { return CreateEmpty(order); });
  if (!status.ok())
    LOG_WARN("recovering {}: {}", NameOf(BlockId{order.block().block_id()}), status);
}

absl::Status Datanode::CreateEmpty(const internal::RecoverBlock& order) {
  ASSIGN_OR_RETURN(const auto writer,
                   store_->Create({.block = BlockId{order.block().block_id()},
                                   .stamp = GenerationStamp{order.new_generation_stamp()}}));
  return writer->Finalize();
}

bool Datanode::WaitsForADisk() const {
  return opening_.any_under_way() ||
         (store_ != nullptr && AnyHangs(*store_, options_.watch.hang_limit));
}

absl::Status Datanode::Drain(absl::Duration limit) {
  transfer_->Drain(limit);
  rpc_->Drain(limit);
  session_.Stop();
  MutexLock lock(mu_);
  return stop_reason_;
}

}  // namespace cairn::datanode
