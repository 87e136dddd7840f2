#include "namenode/namespace/inode.h"

#include <algorithm>
#include <span>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "erasure/layout.h"

namespace cairn::namenode {

void SubtreeSums::Add(const SubtreeSums& other, int sign) {
  const uint64_t factor =
      sign < 0 ? ~uint64_t{0} : 1;  // unsigned arithmetic wraps to the difference
  directories += factor * other.directories;
  files += factor * other.files;
  length += factor * other.length;
  space += factor * other.space;
}

static std::span<const BlockVersion> BlocksFrom(const FileData& file, size_t first) {
  return std::span(file.blocks).subspan(std::min(first, file.blocks.size()));
}

static uint64_t LengthFrom(const FileData& file, size_t first) {
  if (first == 0) return file.length;
  uint64_t length = 0;
  for (const BlockVersion& block : BlocksFrom(file, first)) length += block.length;
  return length;
}

uint64_t Inode::Space(size_t first) const {
  if (file == nullptr) return 0;
  const uint64_t length = LengthFrom(*file, first);
  if (erasure == nullptr) return length * file->replication;
  const erasure::Layout layout(erasure->schema, erasure->cell_bytes);
  uint64_t space = length;
  for (const BlockVersion& group : BlocksFrom(*file, first)) {
    space += erasure->schema.parity_units * layout.UnitBytes(group.length, layout.data_units());
  }
  return space;
}

SubtreeSums Inode::Contribution(size_t first) const {
  if (directory) return directory->sums;
  return {.directories = 0, .files = 1, .length = LengthFrom(*file, first), .space = Space(first)};
}

FileStatus StatusOf(const Inode& inode) {
  FileStatus status;
  status.id = inode.id;
  status.directory = inode.is_directory();
  status.mode = inode.mode;
  status.mtime_ms = inode.mtime_ms;
  status.owner = *inode.owner;
  status.group = *inode.group;
  status.storage_policy = inode.storage_policy;
  status.erasure = EffectiveErasure(inode);
  if (inode.directory) {
    status.children = inode.directory->children;
  } else {
    status.atime_ms = inode.atime_ms;
    status.length = inode.file->length;
    status.replication = inode.file->replication;
    status.block_bytes = inode.file->block_bytes;
    status.open = inode.is_open();
    status.small_of = inode.file->small_of;
  }
  return status;
}

const erasure::Policy* EffectiveErasure(const Inode& inode) {
  if (!inode.is_directory()) return inode.erasure;
  const Inode* at = &inode;
  while (at != nullptr && at->erasure == nullptr) at = at->parent;
  return at == nullptr || at->erasure == ErasurePolicies::Replication() ? nullptr : at->erasure;
}

std::string PathOf(const Inode& inode) {
  std::vector<const Inode*> chain;
  const Inode* at = &inode;
  for (; at->parent != nullptr; at = at->parent) chain.push_back(at);
  std::string path = at->id == kRootInode ? "" : "(deleted)";
  for (auto it = chain.rbegin(); it != chain.rend(); ++it) absl::StrAppend(&path, "/", (*it)->name);
  return path.empty() ? "/" : path;
}

std::string EncodeInode(const Inode& inode) {
  // Reused: an edit encodes a few records and allocating a message for each is a third of its cost.
  thread_local store::Inode record;
  record.Clear();
  record.set_id(ToInt(inode.id));
  record.set_txid(ToInt(inode.txid));
  record.set_mode(inode.mode);
  record.set_owner(*inode.owner);
  record.set_group(*inode.group);
  record.set_mtime_ms(inode.mtime_ms);
  record.set_storage_policy(inode.storage_policy);
  if (inode.erasure == ErasurePolicies::Replication()) {
    record.set_should_replicate(true);
  } else if (inode.erasure != nullptr) {
    record.set_erasure_policy(inode.erasure->id);
  }
  if (inode.directory) {
    record.set_directory(true);
    record.set_children(inode.directory->children);
  } else {
    const FileData& file = *inode.file;
    record.set_atime_ms(inode.atime_ms);
    record.set_replication(file.replication);
    record.set_block_bytes(file.block_bytes);
    record.set_should_replicate(file.should_replicate);
    if (file.small_of != nullptr) record.set_small_of(file.small_of->id);
    record.set_truncating(file.truncating);
    record.set_truncate_to(file.truncate_to);
    record.set_converted_from(file.converted_from);
    for (const BlockVersion& block : file.blocks) {
      store::Block* out = record.add_blocks();
      out->set_id(ToInt(block.id));
      out->set_generation_stamp(ToInt(block.stamp));
      out->set_length(block.length);
    }
    if (file.writer) {
      record.set_last_committed(file.last_committed);
      record.set_lease_holder(file.writer->holder);
      record.set_client_machine(file.writer->machine);
      record.set_cut_from(ToInt(file.writer->cut_from));
    }
  }
  return record.SerializeAsString();
}

static absl::Status BadInode(const store::Inode& record, absl::string_view why) {
  return absl::DataLossError(absl::StrCat("inode ", record.id(), ": ", why));
}

// Null for 0.
static absl::StatusOr<const erasure::Policy*> DecodePolicyId(const store::Inode& record,
                                                             uint32_t id,
                                                             const ErasurePolicies& policies) {
  if (id == 0) return nullptr;
  const erasure::Policy* const policy = policies.Find(id);
  if (policy != nullptr) return policy;
  return BadInode(record, absl::StrCat("no erasure coding policy has id ", id));
}

static absl::StatusOr<const erasure::Policy*> DecodeErasure(const store::Inode& record,
                                                            const ErasurePolicies& policies) {
  ASSIGN_OR_RETURN(const erasure::Policy* policy,
                   DecodePolicyId(record, record.erasure_policy(), policies));
  if (policy != nullptr) {
    if (record.small_of() != 0) return BadInode(record, "it is small, and erasure-coded");
  } else if (record.directory() && record.should_replicate()) {
    policy = ErasurePolicies::Replication();
  }
  const bool fit =
      std::all_of(record.blocks().begin(), record.blocks().end(), [&](const store::Block& block) {
        return IsGrouped(BlockId{block.id()}) == (policy != nullptr);
      });
  if (!fit) return BadInode(record, "its blocks do not go with its erasure coding policy");
  return policy;
}

absl::Status DecodeInode(const store::Inode& record, NameTable& names,
                         const ErasurePolicies& policies, Inode* inode) {
  ASSIGN_OR_RETURN(inode->erasure, DecodeErasure(record, policies));
  inode->id = InodeId{record.id()};
  inode->txid = TxId{record.txid()};
  inode->mode = record.mode();
  inode->owner = names.Intern(record.owner());
  inode->group = names.Intern(record.group());
  inode->mtime_ms = record.mtime_ms();
  inode->atime_ms = record.atime_ms();
  inode->storage_policy = record.storage_policy();
  if (record.directory()) {
    inode->directory = std::make_unique<DirectoryData>();
    inode->directory->children = record.children();
    return absl::OkStatus();
  }
  inode->file = std::make_unique<FileData>();
  FileData& file = *inode->file;
  file.replication = record.replication();
  file.block_bytes = record.block_bytes();
  file.should_replicate = record.should_replicate();
  ASSIGN_OR_RETURN(file.small_of, DecodePolicyId(record, record.small_of(), policies));
  file.truncating = record.truncating();
  file.truncate_to = record.truncate_to();
  file.converted_from = record.converted_from();
  file.last_committed = record.last_committed();
  file.blocks.reserve(record.blocks_size());
  for (const store::Block& block : record.blocks()) {
    file.blocks.push_back(
        {BlockId{block.id()}, GenerationStamp{block.generation_stamp()}, block.length()});
    file.length += block.length();
  }
  if (!record.lease_holder().empty()) {
    file.writer = std::make_unique<Writer>(
        Writer{record.lease_holder(), record.client_machine(), GenerationStamp{record.cut_from()}});
    inode->listed_open = true;
  }
  return absl::OkStatus();
}

std::string EncodeSums(const SubtreeSums& sums) {
  thread_local store::Sums record;
  record.set_directories(sums.directories);
  record.set_files(sums.files);
  record.set_length(sums.length);
  record.set_space(sums.space);
  return record.SerializeAsString();
}

SubtreeSums DecodeSums(const store::Sums& record) {
  return {record.directories(), record.files(), record.length(), record.space()};
}

}  // namespace cairn::namenode
