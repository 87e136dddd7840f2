// Tree::Apply: the one place where the namespace changes.
#include "absl/strings/str_cat.h"
#include "common/check.h"
#include "common/status_macros.h"
#include "namenode/namespace/tree.h"
#include "namenode/namespace/units.h"
#include "namenode/store/keys.h"

namespace cairn::namenode {
namespace {

BlockVersion VersionOf(const edit::Block& block) {
  return {BlockId{block.id()}, GenerationStamp{block.generation_stamp()}, block.length()};
}

absl::Status DoesNotFit(absl::string_view what) {
  return absl::DataLossError(absl::StrCat("edit does not fit the namespace: ", what));
}

// What is done to a file's end changes nothing before this block: a long file is not summed up anew
// for each of its blocks.
size_t LastBlock(const Inode& file) {
  const size_t count = file.file->blocks.size();
  return count == 0 ? 0 : count - 1;
}

}  // namespace

absl::Status Tree::Apply(const edit::Edit& edit, TxId txid) {
  // What listeners put beside the edit must not freeze a tail with half of it.
  store_.BeginEdit();
  if (absl::Status status = ApplyChange(edit, txid); !status.ok()) {
    return absl::DataLossError(absl::StrCat("edit ", ToInt(txid), ": ", status.message()));
  }
  while (!unsaved_.empty() && (unsaved_.size() > kMaxUnsaved || unsaved_.front() == nullptr)) {
    SaveOldest();
  }
  store_.EndEdit(txid);
  return absl::OkStatus();
}

absl::Status Tree::ApplyChange(const edit::Edit& edit, TxId txid) {
  const uint64_t time_ms = edit.time_ms();
  switch (edit.change_case()) {
    case edit::Edit::kMakeDirectories:
      return ApplyMakeDirectories(edit.make_directories(), time_ms, txid, nullptr);
    case edit::Edit::kCreateFile:
      return ApplyCreate(edit.create_file(), time_ms, txid);
    case edit::Edit::kDelete:
      return ApplyDelete(edit.delete_(), time_ms, txid);
    case edit::Edit::kReclaim:
      return ApplyReclaim(edit.reclaim());
    case edit::Edit::kRename:
      return ApplyRename(edit.rename(), time_ms, txid);
    case edit::Edit::kSetPermission: {
      ASSIGN_OR_RETURN(Inode* const inode, Require(InodeId{edit.set_permission().inode()}));
      inode->mode = edit.set_permission().mode() & kModeMask;
      Save(*inode, txid);
      return absl::OkStatus();
    }
    case edit::Edit::kSetOwner: {
      ASSIGN_OR_RETURN(Inode* const inode, Require(InodeId{edit.set_owner().inode()}));
      const auto& change = edit.set_owner();
      if (!change.owner().empty()) inode->owner = names_.Intern(change.owner());
      if (!change.group().empty()) inode->group = names_.Intern(change.group());
      Save(*inode, txid);
      return absl::OkStatus();
    }
    case edit::Edit::kSetTimes: {
      ASSIGN_OR_RETURN(Inode* const inode, Require(InodeId{edit.set_times().inode()}));
      const auto& change = edit.set_times();
      if (change.has_mtime_ms()) inode->mtime_ms = change.mtime_ms();
      if (change.has_atime_ms()) inode->atime_ms = change.atime_ms();
      Save(*inode, txid);
      return absl::OkStatus();
    }
    case edit::Edit::kSetReplication: {
      ASSIGN_OR_RETURN(Inode* const file, RequireFile(InodeId{edit.set_replication().inode()}));
      const SubtreeSums before = file->Contribution();
      file->file->replication = edit.set_replication().replication();
      ReplaceContribution(*file, before);
      Save(*file, txid);
      return absl::OkStatus();
    }
    case edit::Edit::kAddBlock:
      return ApplyAddBlock(edit.add_block(), txid);
    case edit::Edit::kAbandonBlock:
      return ApplyAbandonBlock(edit.abandon_block(), txid);
    case edit::Edit::kUpdateLastBlock:
      return ApplyUpdateLastBlock(edit.update_last_block(), txid);
    case edit::Edit::kCloseFile:
      return ApplyClose(edit.close_file(), time_ms, txid);
    case edit::Edit::kReopenFile:
      return ApplyReopen(edit.reopen_file(), time_ms, txid);
    case edit::Edit::kTruncate:
      return ApplyTruncate(edit.truncate(), time_ms, txid);
    case edit::Edit::kConcat:
      return ApplyConcat(edit.concat(), time_ms, txid);
    case edit::Edit::kReplaceBlocks:
      return ApplyReplaceBlocks(edit.replace_blocks(), time_ms, txid);
    case edit::Edit::kConvertFile:
      return ApplyConvertFile(edit.convert_file(), time_ms, txid);
    case edit::Edit::kCodeSmallFile:
      return ApplyCodeSmallFile(edit.code_small_file(), time_ms, txid);
    case edit::Edit::kReserveIds: {
      const auto& change = edit.reserve_ids();
      reserved_ = {change.inode_id(), change.block_id(), change.generation_stamp()};
      identity_.set_next_inode_id(reserved_.inode_id);
      identity_.set_next_block_id(reserved_.block_id);
      identity_.set_next_generation_stamp(reserved_.generation_stamp);
      if (change.has_left_alone_from()) {
        identity_.set_left_alone_from(change.left_alone_from());
        identity_.set_left_alone_to(change.block_id());
      }
      store_.Put(keys::Namespace(), identity_.SerializeAsString());
      return absl::OkStatus();
    }
    case edit::Edit::kReassignLease: {
      ASSIGN_OR_RETURN(Inode* const file, RequireFile(InodeId{edit.reassign_lease().inode()}));
      if (!file->is_open()) return DoesNotFit("lease of a closed file");
      const Recount recount(*this, *file);
      file->file->writer->holder = edit.reassign_lease().lease_holder();
      Save(*file, txid);
      listener_.OnOpened(*file);
      return absl::OkStatus();
    }
    case edit::Edit::kRegisterStorage: {
      const auto& change = edit.register_storage();
      store::Storage record;
      record.set_number(change.number());
      record.set_storage_uuid(change.storage_uuid());
      record.set_datanode_uuid(change.datanode_uuid());
      record.set_storage_type(change.storage_type());
      record.set_given_up(change.given_up());
      record.set_lost_from_block(change.lost_from_block());
      store_.Put(keys::Storage(change.number()), record.SerializeAsString());
      identity_.set_next_storage_number(
          std::max(identity_.next_storage_number(), change.number() + 1));
      store_.Put(keys::Namespace(), identity_.SerializeAsString());
      listener_.OnStorageRegistered(change);
      return absl::OkStatus();
    }
    case edit::Edit::kSetStoragePolicy: {
      ASSIGN_OR_RETURN(Inode* const inode, Require(InodeId{edit.set_storage_policy().inode()}));
      inode->storage_policy = edit.set_storage_policy().policy();
      Save(*inode, txid);
      return absl::OkStatus();
    }
    case edit::Edit::kSetErasurePolicy:
      return ApplySetErasurePolicy(edit.set_erasure_policy(), txid);
    case edit::Edit::kPutErasurePolicy:
      return ApplyPutErasurePolicy(edit.put_erasure_policy());
    case edit::Edit::kSetConversionRule:
      return ApplySetConversionRule(edit.set_conversion_rule(), time_ms, txid);
    case edit::Edit::CHANGE_NOT_SET:
      break;
  }
  return absl::UnimplementedError("an edit of a kind that this version does not know");
}

// ---- erasure coding

absl::StatusOr<const erasure::Policy*> Tree::RequirePolicy(uint32_t id) const {
  if (id == 0) return nullptr;
  const erasure::Policy* const policy = erasure_policies_.Find(id);
  if (policy == nullptr) return DoesNotFit(absl::StrCat("no erasure coding policy has id ", id));
  return policy;
}

absl::Status Tree::ApplySetErasurePolicy(const edit::SetErasurePolicy& change, TxId txid) {
  ASSIGN_OR_RETURN(Inode* const directory, RequireDirectory(InodeId{change.inode()}));
  ASSIGN_OR_RETURN(directory->erasure, RequirePolicy(change.policy()));
  if (change.replicate()) directory->erasure = ErasurePolicies::Replication();
  Save(*directory, txid);
  return absl::OkStatus();
}

absl::Status Tree::ApplyPutErasurePolicy(const edit::PutErasurePolicy& change) {
  ASSIGN_OR_RETURN(const erasure::Policy policy, DecodePolicy(change));
  ASSIGN_OR_RETURN(const ErasurePolicyState state, DecodePolicyState(change.state()));
  RETURN_IF_ERROR(erasure_policies_.Put(policy, state));
  store_.Put(keys::ErasurePolicy(policy.id), RecordOf(change).SerializeAsString());
  return absl::OkStatus();
}

absl::Status Tree::ApplySetConversionRule(const edit::SetConversionRule& change, uint64_t time_ms,
                                          TxId txid) {
  ASSIGN_OR_RETURN(const Inode* const directory, RequireDirectory(InodeId{change.inode()}));
  if (change.removed()) {
    DropConversionRule(directory->id);
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(const ConversionRule rule, DecodeRule(change, erasure_policies_));
  const KeptConversionRule kept = {.rule = rule, .set_ms = time_ms, .txid = txid};
  if (!conversion_rules_.contains(directory->id) &&
      conversion_rules_.size() >= kMaxConversionRules) {
    return DoesNotFit("one conversion rule too many");
  }
  conversion_rules_[directory->id] = kept;
  store_.Put(keys::ConversionRule(directory->id),
             RecordOf(directory->id, kept).SerializeAsString());
  return absl::OkStatus();
}

void Tree::DropConversionRule(InodeId directory) {
  if (conversion_rules_.erase(directory) > 0) store_.Delete(keys::ConversionRule(directory));
}

// Two inodes of one name share a record: one of them would be lost, and the next start with it.
absl::Status Tree::RequireFree(const Inode& directory, absl::string_view name) {
  const Found found = FindChild(directory, name);
  if (found.known && found.inode == nullptr) return absl::OkStatus();
  if (!found.known) {  // in replay, or the entry of what this very edit replaces
    const absl::Status status = FetchLocked(keys::Entry(directory.id, name)).status();
    if (absl::IsNotFound(status)) return absl::OkStatus();
    RETURN_IF_ERROR(status);
  }
  return DoesNotFit(absl::StrCat("a second \"", name, "\" in inode ", ToInt(directory.id)));
}

absl::StatusOr<Inode*> Tree::RequireFile(InodeId id) {
  ASSIGN_OR_RETURN(Inode* const inode, Require(id));
  if (inode->is_directory())
    return DoesNotFit(absl::StrCat("inode ", ToInt(id), " is a directory"));
  return inode;
}

absl::StatusOr<Inode*> Tree::RequireDirectory(InodeId id) {
  ASSIGN_OR_RETURN(Inode* const inode, Require(id));
  if (!inode->is_directory()) return DoesNotFit(absl::StrCat("inode ", ToInt(id), " is a file"));
  return inode;
}

// ---- records

void Tree::AddToSums(Inode* directory, const SubtreeSums& change, int sign) {
  for (; directory != nullptr; directory = directory->parent) {
    directory->directory->sums.Add(change, sign);
    PutOff(*directory, kUnsavedSums);
  }
}

void Tree::ReplaceContribution(Inode& file, const SubtreeSums& before, size_t first) {
  SubtreeSums change = file.Contribution(first);
  change.Add(before, -1);
  if (change.length == 0 && change.space == 0) return;
  AddToSums(file.parent, change, +1);
}

void Tree::ChangeChildren(Inode& directory, int change, uint64_t time_ms, TxId txid) {
  directory.directory->children += static_cast<uint64_t>(static_cast<int64_t>(change));
  directory.mtime_ms = time_ms;
  Save(directory, txid);
}

Inode* Tree::NewInode(const edit::NewInode& from, Inode& parent, uint64_t time_ms, TxId txid) {
  auto* const inode = new Inode;
  inode->id = InodeId{from.id()};
  inode->name = from.name();
  inode->txid = txid;
  inode->mode = from.mode() & kModeMask;
  inode->owner = names_.Intern(from.owner());
  inode->group = names_.Intern(from.group());
  inode->mtime_ms = time_ms;
  Link(inode, parent);
  PutOff(*inode, kUnsavedLocation);
  return inode;
}

// ---- names

absl::Status Tree::ApplyMakeDirectories(const edit::MakeDirectories& change, uint64_t time_ms,
                                        TxId txid, Inode** last) {
  ASSIGN_OR_RETURN(Inode * parent, RequireDirectory(InodeId{change.parent()}));
  if (change.directories_size() > 0) {
    RETURN_IF_ERROR(RequireFree(*parent, change.directories(0).name()));
  }
  // The sums above grow once, by all the new directories; each new one holds those below it.
  const auto count = static_cast<uint64_t>(change.directories_size());
  AddToSums(parent, {.directories = count}, +1);
  for (uint64_t i = 0; i < count; ++i) {
    const edit::NewInode& from = change.directories(static_cast<int>(i));
    Inode* const inode = NewInode(from, *parent, time_ms, txid);
    inode->directory = std::make_unique<DirectoryData>();
    inode->directory->complete = true;
    inode->directory->sums.directories = count - i;
    AddResident(inode);
    ChangeChildren(*parent, +1, time_ms, txid);
    PutOff(*inode, kUnsavedSums);
    parent = inode;
  }
  Save(*parent, txid);
  if (last != nullptr) *last = parent;
  return absl::OkStatus();
}

absl::Status Tree::ApplyCreate(const edit::CreateFile& change, uint64_t time_ms, TxId txid) {
  ASSIGN_OR_RETURN(Inode * parent, RequireDirectory(InodeId{change.parent()}));
  if (change.has_missing_parents()) {
    RETURN_IF_ERROR(ApplyMakeDirectories(change.missing_parents(), time_ms, txid, &parent));
  }
  if (change.overwritten() != 0) {
    edit::Delete overwritten;
    overwritten.set_inode(change.overwritten());
    RETURN_IF_ERROR(ApplyDelete(overwritten, time_ms, txid));
  }
  RETURN_IF_ERROR(RequireFree(*parent, change.inode().name()));
  ASSIGN_OR_RETURN(const erasure::Policy* const erasure, RequirePolicy(change.erasure_policy()));
  ASSIGN_OR_RETURN(const erasure::Policy* const small_of, RequirePolicy(change.small_of()));
  if (erasure != nullptr && small_of != nullptr) return DoesNotFit("a small file that is coded");
  Inode* const inode = NewInode(change.inode(), *parent, time_ms, txid);
  inode->erasure = erasure;
  inode->atime_ms = time_ms;
  inode->storage_policy = change.storage_policy();
  inode->file = std::make_unique<FileData>();
  inode->file->replication = change.replication();
  inode->file->block_bytes = change.block_bytes();
  inode->file->should_replicate = change.should_replicate();
  inode->file->small_of = small_of;
  inode->file->writer =
      std::make_unique<Writer>(Writer{change.lease_holder(), change.client_machine()});
  AddResident(inode);
  Save(*inode, txid);
  ChangeChildren(*parent, +1, time_ms, txid);
  AddToSums(parent, inode->Contribution(), +1);
  listener_.OnOpened(*inode);
  return absl::OkStatus();
}

void Tree::DropFile(Inode* file) {
  for (const BlockVersion& block : file->file->blocks) {
    store_.Delete(keys::BlockOwner(block.id));
    listener_.OnBlockRemoved(*file, block);
  }
  if (file->listed_open) store_.Delete(keys::OpenFile(file->id));
  if (file->is_open()) listener_.OnClosed(*file);
  store_.Delete(keys::Location(file->id));
}

absl::Status Tree::ApplyDelete(const edit::Delete& change, uint64_t time_ms, TxId txid) {
  ASSIGN_OR_RETURN(Inode* const inode, Require(InodeId{change.inode()}));
  Inode* const parent = inode->parent;
  if (parent == nullptr) return DoesNotFit("delete of a root");
  AddToSums(parent, inode->Contribution(), -1);
  store_.Delete(keys::Entry(parent->id, inode->name));
  Unlink(inode);
  ChangeChildren(*parent, -1, time_ms, txid);
  if (!inode->is_directory()) {
    DropFile(inode);
    RemoveResident(inode);
    return absl::OkStatus();
  }
  DropConversionRule(inode->id);  // those below go when they are reclaimed
  if (inode->directory->children == 0) {
    store_.Delete(keys::Location(inode->id));
    store_.Delete(keys::Sums(inode->id));
    RemoveResident(inode);
    return absl::OkStatus();
  }
  const Recount recount(*this, *inode);
  inode->parent = nullptr;
  inode->detached = true;
  inode->name.clear();
  Save(*inode, txid);
  PutOff(*inode, kUnsavedLocation);
  listener_.OnDetached(inode->id);
  return absl::OkStatus();
}

absl::Status Tree::ApplyReclaim(const edit::Reclaim& change) {
  for (const auto& entry : change.removed()) {
    ASSIGN_OR_RETURN(Inode* const inode, Require(InodeId{entry.inode()}));
    if (inode->parent == nullptr) return DoesNotFit("reclaim of a root");
    if (inode->resident_children != 0) return DoesNotFit("reclaim of a directory in use");
    store_.Delete(keys::Entry(inode->parent->id, inode->name));
    Inode* const parent = inode->parent;
    --parent->directory->children;
    Save(*parent, parent->txid);  // the next slice asks whether it is empty
    if (inode->is_directory()) {
      DropConversionRule(inode->id);
      store_.Delete(keys::Location(inode->id));
      store_.Delete(keys::Sums(inode->id));
    } else {
      DropFile(inode);
    }
    Unlink(inode);
    RemoveResident(inode);
  }
  if (!change.root_removed()) return absl::OkStatus();
  ASSIGN_OR_RETURN(Inode* const root, Require(InodeId{change.root()}));
  if (!root->detached || root->resident_children != 0) return DoesNotFit("reclaim of a live root");
  DropConversionRule(root->id);  // an earlier version, which knows none, may have deleted it
  store_.Delete(keys::Detached(root->id));
  store_.Delete(keys::Location(root->id));
  store_.Delete(keys::Sums(root->id));
  RemoveResident(root);
  return absl::OkStatus();
}

absl::Status Tree::ApplyRename(const edit::Rename& change, uint64_t time_ms, TxId txid) {
  ASSIGN_OR_RETURN(Inode* const inode, Require(InodeId{change.inode()}));
  ASSIGN_OR_RETURN(Inode* const to, RequireDirectory(InodeId{change.to_parent()}));
  if (inode->parent == nullptr) return DoesNotFit("rename of a root");
  if (change.overwritten() != 0) {
    edit::Delete overwritten;
    overwritten.set_inode(change.overwritten());
    RETURN_IF_ERROR(ApplyDelete(overwritten, time_ms, txid));
  }
  RETURN_IF_ERROR(RequireFree(*to, change.to_name()));
  Inode* const from = inode->parent;
  const SubtreeSums moved = inode->Contribution();
  store_.Delete(keys::Entry(from->id, inode->name));
  Unlink(inode);
  const Recount recount(*this, *inode);
  inode->name = change.to_name();
  Link(inode, *to);
  Save(*inode, txid);
  PutOff(*inode, kUnsavedLocation);
  if (from == to) {
    ChangeChildren(*from, 0, time_ms, txid);
    return absl::OkStatus();
  }
  AddToSums(from, moved, -1);
  AddToSums(to, moved, +1);
  ChangeChildren(*from, -1, time_ms, txid);
  ChangeChildren(*to, +1, time_ms, txid);
  return absl::OkStatus();
}

// ---- blocks

// The blocks of a small file get other stamps, or more of them come, while it only grows. Then its
// readers, whom it may leave behind with blocks that go when it is coded, all know it by what it
// was first.
static void KeepFirstContents(Inode& file) {
  FileData& data = *file.file;
  if (data.small_of != nullptr && data.converted_from == 0) data.converted_from = ContentsOf(file);
}

void Tree::SetLastBlock(Inode& file, const edit::Block& block, bool committed) {
  FileData& data = *file.file;
  if (ToInt(data.blocks.back().stamp) != block.generation_stamp()) KeepFirstContents(file);
  BlockVersion& last = data.blocks.back();
  data.length += block.length() - last.length;
  last = VersionOf(block);
  data.last_committed = committed;
  listener_.OnBlockChanged(file, last, committed);
}

absl::Status Tree::ApplyAddBlock(const edit::AddBlock& change, TxId txid) {
  ASSIGN_OR_RETURN(Inode* const file, RequireFile(InodeId{change.inode()}));
  const Recount recount(*this, *file);
  const size_t last = LastBlock(*file);
  const SubtreeSums before = file->Contribution(last);
  FileData& data = *file->file;
  if (change.has_commit_previous()) {
    if (data.blocks.empty() || ToInt(data.blocks.back().id) != change.commit_previous().id()) {
      return DoesNotFit("commit of another block than the last");
    }
    SetLastBlock(*file, change.commit_previous(), /*committed=*/true);
  }
  const BlockVersion block = VersionOf(change.block());
  if (IsGrouped(block.id) != (file->erasure != nullptr)) {
    return DoesNotFit("a block that does not go with the file's erasure coding policy");
  }
  KeepFirstContents(*file);
  data.blocks.push_back(block);
  data.last_committed = false;
  store::BlockOwner owner;
  owner.set_inode(ToInt(file->id));
  store_.Put(keys::BlockOwner(block.id), owner.SerializeAsString());
  ReplaceContribution(*file, before, last);
  Save(*file, txid);
  listener_.OnBlockAdded(*file, block);
  return absl::OkStatus();
}

absl::Status Tree::ApplyAbandonBlock(const edit::AbandonBlock& change, TxId txid) {
  ASSIGN_OR_RETURN(Inode* const file, RequireFile(InodeId{change.inode()}));
  const Recount recount(*this, *file);
  FileData& data = *file->file;
  if (data.blocks.empty() || ToInt(data.blocks.back().id) != change.block_id()) {
    return DoesNotFit("abandon of another block than the last");
  }
  const size_t last = LastBlock(*file);
  const SubtreeSums before = file->Contribution(last);
  const BlockVersion block = data.blocks.back();
  data.blocks.pop_back();
  data.length -= block.length;
  data.last_committed = true;  // the block before was, when this one was added
  store_.Delete(keys::BlockOwner(block.id));
  ReplaceContribution(*file, before, last);
  Save(*file, txid);
  listener_.OnBlockRemoved(*file, block);
  return absl::OkStatus();
}

absl::Status Tree::ApplyUpdateLastBlock(const edit::UpdateLastBlock& change, TxId txid) {
  ASSIGN_OR_RETURN(Inode* const file, RequireFile(InodeId{change.inode()}));
  if (file->file->blocks.empty() || ToInt(file->file->blocks.back().id) != change.block().id()) {
    return DoesNotFit("update of another block than the last");
  }
  const size_t last = LastBlock(*file);
  const SubtreeSums before = file->Contribution(last);
  SetLastBlock(*file, change.block(), change.committed());
  ReplaceContribution(*file, before, last);
  Save(*file, txid);
  return absl::OkStatus();
}

absl::Status Tree::ApplyClose(const edit::CloseFile& change, uint64_t time_ms, TxId txid) {
  ASSIGN_OR_RETURN(Inode* const file, RequireFile(InodeId{change.inode()}));
  const Recount recount(*this, *file);
  FileData& data = *file->file;
  const size_t first = change.truncated_to() != 0 ? 0 : LastBlock(*file);  // that may change
  const SubtreeSums before = file->Contribution(first);
  if (change.drop_last_block()) {
    if (data.blocks.empty()) return DoesNotFit("drop of a block that is not there");
    const BlockVersion block = data.blocks.back();
    data.blocks.pop_back();
    data.length -= block.length;
    store_.Delete(keys::BlockOwner(block.id));
    listener_.OnBlockRemoved(*file, block);
  } else if (change.has_commit_last()) {
    if (data.blocks.empty() || ToInt(data.blocks.back().id) != change.commit_last().id()) {
      return DoesNotFit("commit of another block than the last");
    }
    SetLastBlock(*file, change.commit_last(), /*committed=*/true);
  }
  data.writer.reset();
  data.truncating = false;
  data.truncate_to = 0;
  if (change.truncated_to() != 0) {
    RETURN_IF_ERROR(PutLastBlockInPlace(*file, change.truncated_to()));
  }
  file->mtime_ms = time_ms;
  ReplaceContribution(*file, before, first);
  Save(*file, txid);
  listener_.OnClosed(*file);
  return absl::OkStatus();
}

// Of the group that the cut crosses, and of all behind it.
absl::Status Tree::PutLastBlockInPlace(Inode& file, uint64_t new_length) {
  FileData& data = *file.file;
  const auto [index, start] = PlaceOfByte(data, new_length);
  if (index + 1 >= data.blocks.size() || start + data.blocks.back().length != new_length) {
    return DoesNotFit("what is left of a group is not as long as its truncation says");
  }
  const auto first = data.blocks.begin() + static_cast<std::ptrdiff_t>(index);
  const std::vector<BlockVersion> gone(first, data.blocks.end() - 1);
  data.blocks.erase(first, data.blocks.end() - 1);
  for (const BlockVersion& block : gone) {
    data.length -= block.length;
    store_.Delete(keys::BlockOwner(block.id));
    listener_.OnBlockRemoved(file, block);
  }
  data.converted_from = 0;
  return absl::OkStatus();
}

absl::Status Tree::ApplyReopen(const edit::ReopenFile& change, uint64_t time_ms, TxId txid) {
  (void)time_ms;  // as in HDFS, mtime moves when the file is closed
  ASSIGN_OR_RETURN(Inode* const file, RequireFile(InodeId{change.inode()}));
  const Recount recount(*this, *file);
  if (file->is_open()) return DoesNotFit("append to an open file");
  file->file->writer =
      std::make_unique<Writer>(Writer{change.lease_holder(), change.client_machine()});
  file->file->last_committed = true;
  if (file->file->small_of == nullptr) file->file->converted_from = 0;
  if (change.has_last_block()) {
    if (file->file->blocks.empty()) return DoesNotFit("append to a block that is not there");
    SetLastBlock(*file, change.last_block(), /*committed=*/false);
  }
  Save(*file, txid);
  listener_.OnOpened(*file);
  return absl::OkStatus();
}

absl::Status Tree::ApplyTruncate(const edit::Truncate& change, uint64_t time_ms, TxId txid) {
  ASSIGN_OR_RETURN(Inode* const file, RequireFile(InodeId{change.inode()}));
  const Recount recount(*this, *file);
  if (change.rewrites_group()) return BeginRewritingGroup(*file, change, txid);
  const SubtreeSums before = file->Contribution();
  FileData& data = *file->file;
  // Whole blocks past the cut go; the one that the cut crosses goes on under its new stamp.
  uint64_t kept = 0;
  size_t keep = 0;
  while (keep < data.blocks.size() && kept + data.blocks[keep].length <= change.new_length() &&
         kept < change.new_length()) {
    kept += data.blocks[keep++].length;
  }
  if (change.has_last_block()) ++keep;
  if (keep > data.blocks.size()) return DoesNotFit("truncate past the end");
  while (data.blocks.size() > keep) {
    const BlockVersion block = data.blocks.back();
    data.blocks.pop_back();
    data.length -= block.length;
    store_.Delete(keys::BlockOwner(block.id));
    listener_.OnBlockRemoved(*file, block);
  }
  if (change.has_last_block()) {
    if (ToInt(data.blocks.back().id) != change.last_block().id()) {
      return DoesNotFit("truncate names another block than the one it cuts");
    }
    data.writer =
        std::make_unique<Writer>(Writer{change.lease_holder(), "", data.blocks.back().stamp});
    data.truncating = true;
    SetLastBlock(*file, change.last_block(), /*committed=*/false);
    listener_.OnOpened(*file);
  }
  if (data.length != change.new_length()) return DoesNotFit("truncate leaves another length");
  if (data.truncate_to != 0) {  // deleted, and reclaimed piece by piece
    data.truncate_to = 0;
    data.truncating = false;
    data.last_committed = true;
  }
  data.converted_from = 0;
  file->mtime_ms = time_ms;
  ReplaceContribution(*file, before);
  Save(*file, txid);
  return absl::OkStatus();
}

absl::Status Tree::BeginRewritingGroup(Inode& file, const edit::Truncate& change, TxId txid) {
  FileData& data = *file.file;
  if (file.erasure == nullptr || file.is_open() || change.new_length() == 0 ||
      change.new_length() >= data.length) {
    return DoesNotFit("truncate inside a group that is not there, or being written");
  }
  data.writer = std::make_unique<Writer>(Writer{change.lease_holder(), ""});
  data.last_committed = true;
  data.truncating = true;
  data.truncate_to = change.new_length();
  Save(file, txid);
  listener_.OnOpened(file);
  return absl::OkStatus();
}

void Tree::DropEmptied(Inode* file, uint64_t time_ms, TxId txid) {
  Inode* const parent = file->parent;
  store_.Delete(keys::Entry(parent->id, file->name));
  store_.Delete(keys::Location(file->id));
  if (file->listed_open) store_.Delete(keys::OpenFile(file->id));
  Unlink(file);
  RemoveResident(file);
  ChangeChildren(*parent, -1, time_ms, txid);
}

absl::Status Tree::ApplyConcat(const edit::Concat& change, uint64_t time_ms, TxId txid) {
  ASSIGN_OR_RETURN(Inode* const target, RequireFile(InodeId{change.target()}));
  const Recount recount(*this, *target);
  const SubtreeSums before = target->Contribution();
  FileData& data = *target->file;
  store::BlockOwner owner;
  owner.set_inode(ToInt(target->id));
  const std::string owner_bytes = owner.SerializeAsString();
  for (const uint64_t id : change.sources()) {
    ASSIGN_OR_RETURN(Inode* const source, RequireFile(InodeId{id}));
    if (source->parent == nullptr || source == target || source->erasure != target->erasure) {
      return DoesNotFit("concat of a detached file, or of one of another kind");
    }
    AddToSums(source->parent, source->Contribution(), -1);
    for (const BlockVersion& block : source->file->blocks) {
      data.blocks.push_back(block);
      data.length += block.length;
      store_.Put(keys::BlockOwner(block.id), owner_bytes);
    }
    DropEmptied(source, time_ms, txid);
  }
  data.converted_from = 0;
  target->mtime_ms = time_ms;
  ReplaceContribution(*target, before);
  Save(*target, txid);
  return absl::OkStatus();
}

}  // namespace cairn::namenode
