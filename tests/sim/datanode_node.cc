#include "tests/sim/datanode_node.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/check.h"
#include "common/fs_error.h"
#include "common/status_macros.h"
#include "datanode/pipeline/copy_source.h"
#include "tests/sim/limits.h"

namespace cairn::sim {

using datanode::FoundReplica;
using datanode::ReplicaInfo;
using datanode::ReplicaState;
using datanode::ReplicaStore;

namespace {

constexpr char kDirectory[] = "/data";
constexpr absl::Duration kRecoveryLimit = absl::Seconds(5);

}  // namespace

Host HostOf(absl::string_view datanode_uuid) {
  Host host = -1;
  CHECK(absl::SimpleAtoi(datanode_uuid.substr(3), &host)) << datanode_uuid;
  return host;
}

DatanodeNode::DatanodeNode(World& world, Network& network, NamenodeNode& namenode, All& all,
                           Host host, Planted planted)
    : world_(world),
      network_(network),
      namenode_(namenode),
      all_(all),
      host_(host),
      planted_(planted) {
  // As `cairn-datanode` leaves it after its first registration, but with a name that is known.
  CHECK_OK(files_.MakeDirectories(absl::StrCat(kDirectory, "/current")));
  CHECK_OK(files_.WriteDurably(absl::StrCat(kDirectory, "/current/VERSION"),
                               datanode::FormatIdentity({"CID-sim", "BP-sim", storage(), uuid()})));
}

DatanodeNode::~DatanodeNode() {
  if (life_ != nullptr) End(/*machine_goes_on=*/true);
}

std::string DatanodeNode::uuid() const { return absl::StrCat("dn-", host_); }
std::string DatanodeNode::storage() const { return absl::StrCat("DS-", host_); }

// ---- Life and death

void DatanodeNode::Start() {
  CHECK(life_ == nullptr);
  life_ = std::make_unique<Life>(world_, files_, uuid(), [this] {
    if (life_ != nullptr && !life_->process.alive()) PowerCut();
  });
  network_.SetProcess(host_, &life_->process);
  life_->process.Run([this] { Open(); });
}

void DatanodeNode::Open() {
  Life& life = *life_;
  life.session = std::make_unique<Session>(life.process, network_, namenode_, host_, planted_,
                                           trusted_, [this](const auto& order) { Obey(order); });
  std::vector<std::unique_ptr<datanode::Volume>> volumes;
  auto volume = datanode::Volume::Open(life.disk, {.path = kDirectory}, 0, uuid());
  if (!volume.ok()) return StartAgain(volume.status());
  volumes.push_back(*std::move(volume));
  life.store =
      std::make_unique<ReplicaStore>(std::move(volumes), datanode::StoreOptions{}, *life.session);
  if (const absl::Status loaded = life.store->Load(); !loaded.ok()) return StartAgain(loaded);
  if (planted_ == Planted::kAckBeforeSync) life.disk.IgnoreSyncs();
  world_.Trace("dn-%d: started, %d replicas", host_, life.store->size());
  life.node = std::make_unique<Receiver::Node>(
      Receiver::Node{life.process, life.disk, network_, host_, *life.store, {}});
  network_.Listen(host_, [this](std::shared_ptr<Stream> stream) {
    if (life_ != nullptr && life_->node != nullptr) {
      Receiver::Accept(*life_->node, std::move(stream));
    } else {
      stream->Close();
    }
  });
  life.session->Start(*life.store);
}

// Its disk failed at start: an operator tries again.
void DatanodeNode::StartAgain(const absl::Status& why) {
  world_.Trace("dn-%d: does not start: %s", host_, std::string(why.message()));
  world_.After(absl::Milliseconds(100), [this] {
    Kill();
    if (life_ == nullptr) Start();
  });
}

void DatanodeNode::End(bool machine_goes_on) {
  Life& life = *life_;
  network_.SetProcess(host_, nullptr);
  life.disk.Kill();
  life.process.Kill();
  if (machine_goes_on) network_.CloseStreamsOf(&life.process);
  if (life.node != nullptr) {
    // Their replicas are let go of without another byte: the disk takes none from this process.
    for (const auto& receiver : std::set(life.node->receivers)) receiver->Drop();
    life.node->receivers.clear();
  }
  life_.reset();
}

void DatanodeNode::Kill() {
  if (life_ == nullptr) return;
  world_.Trace("dn-%d: killed", host_);
  End(/*machine_goes_on=*/true);
}

void DatanodeNode::PowerCut() {
  if (life_ == nullptr) return;
  world_.Trace("dn-%d: power cut", host_);
  End(/*machine_goes_on=*/false);
  last_power_cut_ = world_.now();
  files_.Crash(world_.OneIn(4) ? 0 : world_.Between(1, 1 << 30));
}

void DatanodeNode::PowerCutAfter(int nth) {
  if (life_ != nullptr) life_->disk.CutPowerAfter(nth);
}

void DatanodeNode::Pause(absl::Duration time) {
  if (life_ != nullptr) life_->process.Pause(time);
}

bool DatanodeNode::FlipBit(BlockId block) {
  if (life_ == nullptr || life_->store == nullptr) return false;
  const auto info = life_->store->Find(block);
  if (!info.has_value() || info->state != ReplicaState::kFinalized || info->length == 0) {
    return false;
  }
  const std::string path = absl::StrCat(life_->store->volumes().front()->FinalizedDirectory(block),
                                        "/", datanode::DataFileName(block));
  const uint64_t offset = world_.Random(info->length);
  world_.Trace("dn-%d: a bit of block %d flips at %d", host_, ToInt(block), offset);
  return files_.FlipBit(path, offset, static_cast<int>(world_.Random(8))).ok();
}

void DatanodeNode::FailCall(int nth) {
  files_.FailCall(FileCall::kMutating, nth, absl::DataLossError("the disk has failed"),
                  /*torn=*/true);
}

absl::StatusOr<Bytes> DatanodeNode::ReadReplica(BlockId block, GenerationStamp at_least) const {
  ReplicaStore& store = *life_->store;
  ASSIGN_OR_RETURN(const datanode::ReplicaReader reader, store.OpenForRead(block, at_least));
  Bytes bytes(reader.visible());
  ASSIGN_OR_RETURN(const size_t count, reader.data->ReadAt(0, bytes));
  if (count != bytes.size()) return absl::DataLossError("shorter than it should be");
  RETURN_IF_ERROR(store.Verify(block, at_least));
  return bytes;
}

// ---- Orders

void DatanodeNode::Obey(const namenode::DatanodeCommand& command) {
  Process& process = life_->process;
  // Another thread carries it out, when it comes to it.
  const absl::Duration soon = world_.Between(absl::Microseconds(50), absl::Milliseconds(20));
  if (const auto* const invalidate = std::get_if<namenode::InvalidateCommand>(&command)) {
    process.After(soon,
                  [this, blocks = invalidate->blocks, session = life_->session->registrations()] {
                    const auto still_valid = [this, session] {
                      return life_ != nullptr && life_->session->registrations() == session;
                    };
                    for (const namenode::BlockVersion& block : blocks) {
                      world_.Trace("dn-%d: ordered to delete block %d up to stamp %d", host_,
                                   ToInt(block.id), ToInt(block.stamp));
                      // It is ordered again.
                      life_->store->Invalidate(block.id, block.stamp, still_valid).IgnoreError();
                    }
                  });
  } else if (const auto* const cut = std::get_if<namenode::TruncateCommand>(&command)) {
    process.After(soon, [this, order = *cut] {
      ReplicaStore& store = *life_->store;
      absl::Status status = StopWriter(store, order.block.id);
      if (status.ok()) {
        status =
            store.Truncate(order.block.id, order.block.stamp, order.new_stamp, order.new_length);
      }
      world_.Trace("dn-%d: cut block %d to %d: %s", host_, ToInt(order.block.id), order.new_length,
                   std::string(status.message()));
    });
  } else if (const auto* const doubt = std::get_if<namenode::VerifyCommand>(&command)) {
    process.After(soon, [this, block = doubt->block] {
      const absl::Status status = life_->store->Verify(block.id, block.stamp);
      world_.Trace("dn-%d: looked at block %d: %s", host_, ToInt(block.id),
                   std::string(status.message()));
    });
  } else if (const auto* const recover = std::get_if<namenode::RecoverCommand>(&command)) {
    process.Spawn([this, order = *recover] { Recover(order); });
  } else if (const auto* const copy = std::get_if<namenode::ReplicateCommand>(&command)) {
    process.Spawn([this, order = *copy] { Replicate(order); });
  }
}

absl::Status DatanodeNode::StopWriter(ReplicaStore& store, BlockId block) {
  const auto open = store.FindOpen(block);
  if (open == nullptr) return absl::OkStatus();
  const auto released = std::make_shared<bool>(false);
  open->StopWriter([released] { *released = true; });
  return *released ? absl::OkStatus() : absl::UnavailableError("its writer has not stopped");
}

// What the real RecoverBlock does, whose peers answer on threads: the plan is the real one's.
void DatanodeNode::Recover(const namenode::RecoverCommand& order) {
  using Init = absl::StatusOr<ReplicaInfo>;
  Process& process = life_->process;
  std::vector<FoundReplica> found;
  bool everybody = order.all_asked;
  for (size_t node = 0; node < order.replicas.size(); ++node) {
    const Host peer = HostOf(order.replicas[node].datanode_uuid);
    const auto answer =
        network_.Call<Init>(process, host_, peer, kRecoveryLimit,
                            [this, peer, order](const std::function<void(Init)>& reply) {
                              DatanodeNode& other = *all_[static_cast<size_t>(peer - 1)];
                              if (other.running()) reply(other.InitRecovery(order));
                            });
    const Init info = answer.value_or(absl::UnavailableError("no answer"));
    if (info.ok()) found.push_back({.node = node, .info = *info});
    everybody &= info.ok() || GetFsError(info.status()) == FsError::kReplicaNotFound;
    world_.Trace("dn-%d: recovery of block %d: dn-%d has %s", host_, ToInt(order.block.id), peer,
                 info.ok() ? absl::StrCat(datanode::StateName(info->state), " ", info->length,
                                          " under ", ToInt(info->stamp))
                           : std::string(info.status().message()));
  }
  if (everybody && found.empty() && order.block.length == 0) {
    const auto writer = life_->store->Create({.block = order.block.id, .stamp = order.new_stamp});
    const absl::Status ended = writer.ok() ? (*writer)->Finalize() : writer.status();
    world_.Trace("dn-%d: recovery of block %d: ends without a byte: %s", host_,
                 ToInt(order.block.id), std::string(ended.message()));  // it is ordered again
    return;
  }
  const auto plan = datanode::PlanRecovery(found, order.block.stamp, order.block.length, everybody);
  if (!plan.ok()) return;
  for (const size_t node : plan->nodes) {
    const Host peer = HostOf(order.replicas[node].datanode_uuid);
    const auto answer = network_.Call<absl::Status>(
        process, host_, peer, kRecoveryLimit,
        [this, peer, order, length = plan->length](const std::function<void(absl::Status)>& reply) {
          DatanodeNode& other = *all_[static_cast<size_t>(peer - 1)];
          if (!other.running()) return;
          reply(other.life_->store->FinishRecovery(order.block.id, order.new_stamp, length));
        });
    world_.Trace("dn-%d: recovery of block %d: dn-%d at %d bytes: %s", host_, ToInt(order.block.id),
                 peer, plan->length, answer ? std::string(answer->message()) : "no answer");
  }
}

absl::StatusOr<ReplicaInfo> DatanodeNode::InitRecovery(const namenode::RecoverCommand& order) {
  ReplicaStore& store = *life_->store;
  RETURN_IF_ERROR(StopWriter(store, order.block.id));
  ASSIGN_OR_RETURN(ReplicaInfo info, store.InitRecovery(order.block.id, order.new_stamp));
  if (planted_ == Planted::kStampNotChecked) info.stamp = std::max(info.stamp, order.block.stamp);
  return info;
}

void DatanodeNode::Replicate(const namenode::ReplicateCommand& order) {
  for (const namenode::ReplicaTarget& target : order.targets) {
    const auto fail = [&](const absl::Status& why) {
      world_.Trace("dn-%d: cannot copy block %d: %s", host_, ToInt(order.block.id),
                   std::string(why.message()));
      life_->session->CopyFailed(order, std::string(why.message()));
    };
    const auto reader = life_->store->OpenForRead(order.block.id, order.block.stamp);
    if (!reader.ok()) return fail(reader.status());
    const absl::Status allowed = datanode::CheckOrderedCopy(reader->info, order.block.stamp);
    if (!allowed.ok()) return fail(allowed);
    auto bytes = std::make_shared<Bytes>(reader->info.length);
    const absl::Status good = life_->store->Verify(order.block.id, reader->info.stamp);
    if (!good.ok()) return fail(good);
    const auto count = reader->data->ReadAt(0, *bytes);
    if (!count.ok() || *count != bytes->size()) return fail(count.status());
    const std::shared_ptr<Stream> stream = network_.Connect(host_, HostOf(target.datanode_uuid));
    stream->Send(SetUp{.stage = Stage::kCopy,
                       .block = order.block.id,
                       .stamp = reader->info.stamp,
                       .new_stamp = reader->info.stamp,
                       .min_bytes = 0,
                       .targets = {}});
    stream->Send(Packet{.seqno = 0, .offset = 0, .data = bytes});
    stream->Send(Packet{.seqno = 1,
                        .offset = bytes->size(),
                        .data = std::make_shared<Bytes>(),
                        .sync = false,
                        .last = true});
    world_.Trace("dn-%d: copies block %d to %s", host_, ToInt(order.block.id),
                 target.datanode_uuid);
    life_->process.Sleep(absl::Milliseconds(100));
    stream->Close();
  }
}

}  // namespace cairn::sim
