// Bringing the last block of a file to one length and stamp: after its writer died, and when a file
// is truncated inside a block. The namenode chooses the stamp and tells the datanodes; what they
// report under that stamp closes the file.
#include <algorithm>
#include <optional>

#include "common/logging.h"
#include "namenode/core/healer.h"
#include "namenode/core/run.h"
#include "namenode/namespace/units.h"
#include "namenode/store/keys.h"
#include "namenode/store/records.h"

namespace cairn::namenode {
namespace {

// An order that was not carried out is given again; longer than a primary waits for a datanode that
// does not answer.
constexpr absl::Duration kOrderAgain = absl::Seconds(10);
constexpr size_t kRecoveriesSlice = 16;  // ordered under one lock, some 10 microseconds each
// A datanode fetches an order at once. One that has not after this time is not there.
constexpr absl::Duration kTakeLimit = absl::Seconds(1);

}  // namespace

std::string NamenodeImpl::BlockName(const BlockVersion& block) {
  return absl::StrCat("blk_", ToSigned(block.id), "_", ToInt(block.stamp));
}

void NamenodeImpl::FillBlock(const BlockVersion& block, edit::Block* out) {
  out->set_id(ToInt(block.id));
  out->set_generation_stamp(ToInt(block.stamp));
  out->set_length(block.length);
}

absl::StatusOr<bool> NamenodeImpl::StartBlockRecovery(Attempt& attempt, Inode& file) {
  mu_.AssertHeld();
  const BlockVersion last = file.file->blocks.back();
  const BlockMap::Entry* const entry = blocks_->Find(last.id);
  if (entry->expected().empty() && blocks_->CorruptReplicas(last.id).empty() && last.length == 0 &&
      !safe_mode_.on() && !UntoldHolder(*entry)) {
    // No datanode has it, not even a rotten one, and fsync told of no byte: the block goes. While a
    // datanode or disk is away that was there when the block was added, nobody can say so: it may
    // hold what hflush had acknowledged. That one is waited for, but not for ever: a disk that was
    // replaced never comes back, and the file would stay open.
    edit::CloseFile& close = *attempt.NewEdit().mutable_close_file();
    close.set_inode(ToInt(file.id));
    close.set_drop_last_block(true);
    attempt.CommitAside();
    return true;
  }
  if (recovering_.contains(last.id)) return false;
  const GenerationStamp stamp = TakeStamp();
  // The old writer is shut out first: whatever it says from now on, it does not hold the lease.
  edit::ReassignLease& lease = *attempt.NewEdit().mutable_reassign_lease();
  lease.set_inode(ToInt(file.id));
  lease.set_lease_holder(std::string(kNamenodeHolder));
  attempt.CommitAside();
  recovering_[last.id] = {.file = file.id,
                          .block = {last.id, stamp, last.length},
                          .before = last.stamp,
                          .next_order = clock_.Monotonic(),
                          .ticket = last_txid_};
  return false;
}

void NamenodeImpl::SendRecoveries() {
  const std::shared_ptr<const ClusterView> cluster = cluster_.View();
  BlockId position{};
  while (SendSomeRecoveries(*cluster, &position)) {
  }
  SendGroupRecoveries();
  SendGroupTruncations();
}

// Of those behind *position, which moves on. False: that was the end.
bool NamenodeImpl::SendSomeRecoveries(const ClusterView& cluster, BlockId* position) {
  const absl::Duration now = clock_.Monotonic();
  WriterLock lock(mu_);
  // Nothing is ordered whose outcome could not be written down.
  if (!ReadyToWrite("recover blocks").ok()) return false;
  std::vector<BlockVersion> finished;
  auto at = recovering_.upper_bound(*position);
  for (size_t looked = 0; at != recovering_.end() && looked < kRecoveriesSlice; ++at, ++looked) {
    Recovering& recovering = at->second;
    *position = at->first;
    if (recovering.finished) {
      finished.push_back(*recovering.finished);
    } else if (now >= recovering.next_order || LostPrimary(recovering, cluster, now)) {
      OrderRecovery(at->first, recovering, cluster, now);
    }
  }
  const bool more = at != recovering_.end();
  for (const BlockVersion& block : finished) FinishRecovery(block);
  return more;
}

// It will not report: it is silent, has lost its orders with its session, or does not fetch them.
bool NamenodeImpl::LostPrimary(const Recovering& recovering, const ClusterView& cluster,
                               absl::Duration now) {
  if (recovering.primary.empty() || now < recovering.ordered + kTakeLimit) return false;
  const ClusterView::Node* const node = cluster.FindByUuid(recovering.primary);
  return node == nullptr || node->info->liveness != Liveness::kLive ||
         node->info->session != recovering.session ||
         orders_.IsWaiting(recovering.primary, recovering.order_number);
}

std::vector<uint32_t> NamenodeImpl::RecoveryStorages(BlockId block,
                                                     const Recovering& recovering) const {
  std::vector<uint32_t> storages = recovering.behind;
  if (const BlockMap::Entry* const entry = blocks_->Find(block)) {
    storages.insert(storages.end(), entry->expected().begin(), entry->expected().end());
  }
  std::sort(storages.begin(), storages.end());
  storages.erase(std::unique(storages.begin(), storages.end()), storages.end());
  return storages;
}

std::vector<RecoveryCandidate> NamenodeImpl::RecoveryCandidates(std::span<const uint32_t> storages,
                                                                const ClusterView& cluster) const {
  std::vector<RecoveryCandidate> candidates;
  for (const uint32_t storage : storages) {
    const StorageLocation* const at = cluster.Find(storage);
    if (at == nullptr || !cluster.IsReadable(storage)) continue;
    candidates.push_back({{at->node->address, at->node->uuid, at->storage_uuid, at->storage_type},
                          at->node->liveness == Liveness::kLive,
                          bell_.IsWaiting(at->node->uuid)});
  }
  return candidates;
}

// Whom the writer was given, this process knows of the blocks that it has added itself.
std::optional<ClusterState::StorageRecord> NamenodeImpl::UntoldHolder(
    const BlockMap::Entry& block) const {
  if (block.knows_pipeline()) return std::nullopt;
  return cluster_.UntoldHolder(block.id());
}

std::string NamenodeImpl::RecoveryWaitsFor(const BlockMap::Entry& block,
                                           const ClusterView& cluster) const {
  const auto found = recovering_.find(block.id());
  if (found == recovering_.end()) return "";
  const std::vector<uint32_t> storages = RecoveryStorages(block.id(), found->second);
  const auto is_there = [&](uint32_t storage) { return cluster.IsReadable(storage); };
  if (found->second.tries == 0 && std::any_of(storages.begin(), storages.end(), is_there)) {
    return "";  // the others may do
  }
  for (const uint32_t storage : storages) {
    if (cluster.IsReadable(storage)) continue;
    const StorageLocation* const at = cluster.Find(storage);
    const std::string name =
        at == nullptr
            ? "a datanode that has not registered since the namenode's start"
            : absl::StrCat("datanode ", at->node->address.ip, ":", at->node->address.transfer_port,
                           ", storage ", at->storage_uuid);
    return absl::StrCat(name, ", which may hold bytes of it and cannot be asked");
  }
  if (!storages.empty()) return "";
  const std::optional<ClusterState::StorageRecord> untold = UntoldHolder(block);
  if (!untold) return "";
  return absl::StrCat(
      "storage ", untold->storage_uuid, " of datanode ", untold->datanode_uuid,
      ", which may hold bytes of it and has not told of its replicas since the namenode's start; "
      "nobody else has it",
      untold->is_away ? absl::StrCat("; for ",
                                     absl::FormatDuration(absl::Trunc(cluster_.LostDiskWaitLeft(),
                                                                      absl::Seconds(1))),
                                     " more (cairn.namenode.lost.disk.wait)")
                      : "");
}

void NamenodeImpl::OrderRecovery(BlockId block, Recovering& recovering, const ClusterView& cluster,
                                 absl::Duration now) {
  if (!recovering.primary.empty()) {
    // The former primary may still be at work. Under a newer stamp the replicas refuse it, so that
    // two of them never bring a block to two lengths.
    recovering.block.stamp = TakeStamp();
    recovering.ticket = last_txid_;
    recovering.primary.clear();
    ++recovering.tries;
  }
  if (recovering.ticket > journal_->durable()) return;
  const std::vector<uint32_t> storages = RecoveryStorages(block, recovering);
  std::vector<RecoveryCandidate> candidates = RecoveryCandidates(storages, cluster);
  if (candidates.empty()) return;
  recovering.next_order = now + kOrderAgain;
  const BlockVersion before{block, recovering.before, recovering.block.length};
  if (recovering.truncate) {
    for (const RecoveryCandidate& candidate : candidates) {
      orders_.Add(candidate.replica.datanode_uuid,
                  TruncateCommand{before, recovering.block.stamp, recovering.block.length});
    }
    // The first replica that is cut closes the file. These are cut as well, not deleted.
    for (const uint32_t storage : recovering.behind) blocks_->Expect(storage, block);
    recovering.behind.clear();
    return;
  }
  // The first primaries of many blocks are spread over their datanodes.
  std::vector<ReplicaTarget> replicas =
      ChooseParticipants(std::move(candidates), ToInt(block) + recovering.tries);
  const std::string primary = replicas.front().datanode_uuid;
  // The primary gives bytes up that were told to be acknowledged, or the whole block, only if there
  // is nobody left who may have them: neither a datanode or disk that is away, nor a bad replica.
  const BlockMap::Entry* const entry = blocks_->Find(block);
  const bool all_asked = replicas.size() == storages.size() &&
                         blocks_->CorruptReplicas(block).empty() && entry != nullptr &&
                         !UntoldHolder(*entry);
  RecoverCommand order{before, recovering.block.stamp, std::move(replicas), all_asked};
  if (!orders_.Add(primary, std::move(order), &recovering.order_number)) return;
  recovering.primary = primary;
  recovering.session = cluster.FindByUuid(primary)->info->session;
  recovering.ordered = now;
}

void NamenodeImpl::FinishRecovery(const BlockVersion& reported) {
  if (IsGrouped(reported.id)) return UnitRecovered(reported);
  const auto it = recovering_.find(reported.id);
  if (it == recovering_.end() || it->second.block.stamp != reported.stamp) return;
  if (it->second.truncate && reported.length != it->second.block.length) return;
  Inode* const file = tree_->FindById(it->second.file);  // open files are never evicted
  if (file == nullptr || !file->is_open() || file->file->blocks.empty() ||
      file->file->blocks.back().id != reported.id) {
    recovering_.erase(it);
    return;
  }
  if (reported.length > file->file->block_bytes) {
    LOG_EVERY_SECONDS(
        kError, 1,
        "{}: a datanode has recovered it to {} bytes, and a block has {} at most; not closed",
        BlockName(reported), reported.length, file->file->block_bytes);
    return;
  }
  if (!ReadyToWrite("close").ok()) {
    // Safe mode, or no room. The datanode does not say it twice: maintenance comes back to it.
    it->second.finished = reported;
    return;
  }
  const bool truncated = it->second.truncate;
  recovering_.erase(it);
  edit::Edit edit;
  edit.set_time_ms(NowMs());
  edit.mutable_close_file()->set_inode(ToInt(file->id));
  FillBlock(reported, edit.mutable_close_file()->mutable_commit_last());
  AppendAndApply(edit);
  // Under the lock, and clients decide how often it happens: not a line for each.
  LOG_EVERY_SECONDS(kInfo, 1, "{}: {} at {} bytes under stamp {}", PathOf(*file),
                    truncated ? "truncated" : "recovered", reported.length, ToInt(reported.stamp));
}

Outcome<LocatedBlock> NamenodeImpl::UpdateBlockForPipeline(const Caller& caller,
                                                           const BlockVersion& block,
                                                           absl::string_view client_name) {
  return Write<LocatedBlock>(
      caller, "get a new generation stamp", [&](Attempt& attempt) -> absl::StatusOr<LocatedBlock> {
        mu_.AssertHeld();
        ASSIGN_OR_RETURN(Inode* const file, FindOpenByBlock(attempt, block.id, client_name));
        const BlockVersion& last = file->file->blocks.back();
        if (last.id != block.id || !IsUnderConstruction(*file, last, attempt)) {
          if (!attempt.wanted().empty()) return View::NotLoaded();
          return MakeFsError(FsError::kIo,
                             absl::StrCat(BlockName(block), " is not under construction"));
        }
        LocatedBlock out;
        out.block = last;
        out.block.length = block.length;
        // The stored stamp stays: some clients ask and never come back with updatePipeline.
        out.block.stamp = TakeStamp();
        attempt.SawTx(last_txid_);  // not promised before the stamp's reservation is durable
        out.offset = file->file->length - last.length;
        // A group's writer takes the units from the answer, a block's keeps the pipeline it has.
        if (file->erasure != nullptr) AddExpected(*file, &out);
        return out;
      });
}

Outcome<Nothing> NamenodeImpl::UpdatePipeline(const Caller& caller, absl::string_view client_name,
                                              const BlockVersion& old_block,
                                              const BlockVersion& new_block,
                                              const std::vector<std::string>& datanode_uuids,
                                              const std::vector<std::string>& storage_uuids) {
  (void)datanode_uuids;  // a storage belongs to one datanode
  return Write<Nothing>(
      caller, "update pipeline", [&](Attempt& attempt) -> absl::StatusOr<Nothing> {
        mu_.AssertHeld();
        ASSIGN_OR_RETURN(Inode* const file, FindOpenByBlock(attempt, old_block.id, client_name));
        const BlockVersion& last = file->file->blocks.back();
        if (last.id != old_block.id || last.stamp != old_block.stamp ||
            new_block.id != old_block.id || ToInt(new_block.stamp) <= ToInt(last.stamp) ||
            ToInt(new_block.stamp) >= next_.generation_stamp || new_block.length < last.length ||
            new_block.length > MaxBlockBytes(*file)) {
          return MakeFsError(
              FsError::kIo,
              absl::StrCat("Update ", BlockName(old_block), " to ", BlockName(new_block), " (",
                           new_block.length, " bytes): the file has ", BlockName(last), " (",
                           last.length, " bytes)"));
        }
        if (!IsUnderConstruction(*file, last, attempt)) {
          if (!attempt.wanted().empty()) return View::NotLoaded();
          return MakeFsError(FsError::kIo,
                             absl::StrCat(BlockName(last), " is not under construction"));
        }
        // The limit may have been lowered since the file was made.
        const size_t most = file->erasure != nullptr ? UnitCount(*file)
                                                     : std::max<size_t>(options_.max_replication,
                                                                        file->file->replication);
        if (storage_uuids.size() > most) {
          return MakeFsError(
              FsError::kIllegalArgument,
              absl::StrCat(storage_uuids.size(), " storages of one block, more than ", most));
        }
        std::vector<uint32_t> targets = NumbersOf(storage_uuids);
        RecordThere(targets);
        // Of a group each has its unit's place, also those that failed and are no storage's.
        if (file->erasure != nullptr) targets = UnitTargets(storage_uuids);
        edit::UpdateLastBlock& update = *attempt.NewEdit().mutable_update_last_block();
        update.set_inode(ToInt(file->id));
        BlockVersion told = new_block;
        // What a group's writer counts here may be without its parity: only fsync's length binds.
        if (file->erasure != nullptr) told.length = last.length;
        FillBlock(told, update.mutable_block());
        targets_ = std::move(targets);
        attempt.Commit();
        targets_.clear();
        return Nothing{};
      });
}

// The file whose last block is `block`, if `client_name` is writing it.
absl::StatusOr<Inode*> NamenodeImpl::FindOpenByBlock(Attempt& attempt, BlockId block,
                                                     absl::string_view client_name) {
  mu_.AssertHeld();
  ASSIGN_OR_RETURN(const InodeId owner, FindOwner(attempt, block));
  if (owner == kNoInode) {
    return MakeFsError(FsError::kIo, absl::StrCat("blk_", ToSigned(block), " does not exist"));
  }
  ASSIGN_OR_RETURN(Inode* const file, attempt.FindById(owner));
  if (file == nullptr) {
    return MakeFsError(FsError::kFileNotFound,
                       absl::StrCat("the file of blk_", ToSigned(block), " is deleted"));
  }
  RETURN_IF_ERROR(CheckLease(*file, client_name, PathOf(*file)));
  if (file->file->blocks.empty()) {
    return MakeFsError(FsError::kIo, absl::StrCat("blk_", ToSigned(block), " is abandoned"));
  }
  return file;
}

// The owner's record is in the tails as long as the block is young; an older one (an append after a
// long time) is loaded first.
absl::StatusOr<InodeId> NamenodeImpl::FindOwner(View& view, BlockId block) {
  block = OwnedId(block);
  const std::string key = keys::BlockOwner(block);
  Wanted& wanted = view.wanted();
  std::optional<std::string> record;
  absl::string_view in_tail;
  switch (store_.Peek(key, &in_tail)) {
    case Store::Found::kValue:
      record = std::string(in_tail);
      break;
    case Store::Found::kDeleted:
      break;
    case Store::Found::kUnknown:
      if (!wanted.owner || wanted.owner->block != block ||
          wanted.owner->flush_count != store_.flush_count()) {
        wanted.owners.push_back(block);
        return View::NotLoaded();
      }
      record = wanted.owner->record;
      break;
  }
  if (!record) return kNoInode;
  ASSIGN_OR_RETURN(const store::BlockOwner owner, ParseBlockOwner(key, *record));
  return InodeId{owner.inode()};
}

// The bytes may have been spoilt on their way, and a client's word is not worth a replica, let
// alone all of them: whoever has it on disk looks, and says so if it is bad.
void NamenodeImpl::Doubt(const Caller& caller, const BlockMap::Entry& block,
                         std::span<const uint32_t> storages) {
  const BlockVersion version{block.id(), block.stamp(), block.length()};
  const std::shared_ptr<const ClusterView> cluster = cluster_.View();
  for (const uint32_t storage : storages) {
    const std::span<const uint32_t> counted = block.replicas();
    if (std::find(counted.begin(), counted.end(), storage) == counted.end()) continue;
    const StorageLocation* const at = cluster->Find(storage);
    if (at == nullptr || !orders_.AddDoubt(at->node->uuid, version)) continue;
    LOG_EVERY_SECONDS(kWarn, 1,
                      "{} on datanode {}: a client at {} read bytes that do not match their "
                      "checksums; the datanode is told to look at its replica",
                      BlockName(version), at->node->uuid, std::string(caller.remote_ip));
  }
}

Outcome<Nothing> NamenodeImpl::ReportBadBlock(const Caller& caller, const BlockVersion& block,
                                              const std::vector<std::string>& storage_uuids) {
  return Write<Nothing>(caller, "report a bad block",
                        [&](Attempt& attempt) -> absl::StatusOr<Nothing> {
                          if (blocks_->Find(block.id) == nullptr) {
                            attempt.wanted().blocks.push_back(block.id);
                            return View::NotLoaded();
                          }
                          // Of an older version nothing is left but what is being deleted.
                          if (blocks_->Find(block.id)->stamp() != block.stamp) return Nothing{};
                          Doubt(caller, *blocks_->Find(block.id), NumbersOf(storage_uuids));
                          return Nothing{};
                        });
}

}  // namespace cairn::namenode
