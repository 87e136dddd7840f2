#include "namenode/store/records.h"

#include <limits>

#include "absl/strings/str_cat.h"
#include "common/ids.h"
#include "common/status_macros.h"
#include "namenode/store/keys.h"

namespace cairn::namenode {
namespace {

absl::Status Bad(absl::string_view key, absl::string_view why) {
  return absl::DataLossError(absl::StrCat("store: ", keys::Readable(key), ": ", why));
}

template <typename Message>
absl::StatusOr<Message> Parse(absl::string_view key, absl::string_view value) {
  Message message;
  if (value.size() > std::numeric_limits<int>::max() ||
      !message.ParseFromArray(value.data(), static_cast<int>(value.size()))) {
    return Bad(key, absl::StrCat("value of ", value.size(), " bytes is damaged"));
  }
  return message;
}

absl::Status CheckBlocks(absl::string_view key, const store::Inode& inode) {
  if (inode.blocks_size() > kMaxBlocksOfFile) return Bad(key, "too many blocks");
  if (inode.directory() && inode.blocks_size() > 0) return Bad(key, "a directory with blocks");
  if (inode.blocks_size() > 0 && inode.block_bytes() == 0) {
    return Bad(key, "a file with blocks of no size");
  }
  for (const store::Block& block : inode.blocks()) {
    if (block.id() == 0) return Bad(key, "a block without an id");
  }
  return absl::OkStatus();
}

// The blocks that the file has until it is cut, without the group that takes the place of some.
absl::Status CheckTruncation(absl::string_view key, const store::Inode& inode) {
  if (inode.truncate_to() == 0) return absl::OkStatus();
  uint64_t length = 0;
  for (int i = 0; i + (inode.last_committed() ? 0 : 1) < inode.blocks_size(); ++i) {
    length += inode.blocks(i).length();
  }
  if (inode.erasure_policy() == 0 || inode.lease_holder().empty() ||
      inode.truncate_to() >= length) {
    return Bad(key, absl::StrCat("being truncated to ", inode.truncate_to(), " bytes, of ", length,
                                 " or of a file that is closed or replicated"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<store::Inode> ParseInode(absl::string_view key, absl::string_view value) {
  ASSIGN_OR_RETURN(store::Inode inode, Parse<store::Inode>(key, value));
  if (inode.id() == 0 && inode.linked_inode() == 0) return Bad(key, "an inode without an id");
  uint64_t key_id;
  if (keys::ParseTrailingId(key, &key_id) && key_id != inode.id()) {
    return Bad(key, absl::StrCat("holds inode ", inode.id()));
  }
  if (inode.mode() > kMaxMode) return Bad(key, absl::StrCat("mode ", inode.mode()));
  RETURN_IF_ERROR(CheckBlocks(key, inode));
  RETURN_IF_ERROR(CheckTruncation(key, inode));
  return inode;
}

absl::StatusOr<store::Location> ParseLocation(absl::string_view key, absl::string_view value) {
  ASSIGN_OR_RETURN(store::Location location, Parse<store::Location>(key, value));
  uint64_t inode;
  if (!keys::ParseTrailingId(key, &inode)) return Bad(key, "is no location's key");
  if (inode != ToInt(kRootInode) && (location.parent() == 0 || location.name().empty())) {
    return Bad(key, "no parent or no name");
  }
  if (location.name().find('/') != std::string::npos ||
      location.name().find('\0') != std::string::npos) {
    return Bad(key, "a name with '/' or NUL");
  }
  return location;
}

absl::StatusOr<store::Sums> ParseSums(absl::string_view key, absl::string_view value) {
  return Parse<store::Sums>(key, value);
}

absl::StatusOr<store::BlockOwner> ParseBlockOwner(absl::string_view key, absl::string_view value) {
  ASSIGN_OR_RETURN(store::BlockOwner owner, Parse<store::BlockOwner>(key, value));
  if (owner.inode() == 0) return Bad(key, "no inode");
  return owner;
}

absl::StatusOr<store::Replicas> ParseReplicas(absl::string_view key, absl::string_view value) {
  ASSIGN_OR_RETURN(store::Replicas replicas, Parse<store::Replicas>(key, value));
  if (replicas.storages_size() > kMaxReplicasOfBlock) return Bad(key, "too many replicas");
  return replicas;
}

absl::StatusOr<store::Block> ParseRemovedBlock(absl::string_view key, absl::string_view value) {
  ASSIGN_OR_RETURN(store::Block block, Parse<store::Block>(key, value));
  uint64_t id;
  if (!keys::ParseTrailingId(key, &id) || id != block.id()) {
    return Bad(key, absl::StrCat("holds block ", block.id()));
  }
  return block;
}

absl::StatusOr<store::Storage> ParseStorage(absl::string_view key, absl::string_view value) {
  ASSIGN_OR_RETURN(store::Storage storage, Parse<store::Storage>(key, value));
  uint32_t number;
  if (!keys::ParseStorageNumber(key, &number) || number != storage.number()) {
    return Bad(key, absl::StrCat("holds storage ", storage.number()));
  }
  if (storage.storage_uuid().empty()) return Bad(key, "no uuid");
  return storage;
}

absl::StatusOr<store::ErasurePolicy> ParseErasurePolicy(absl::string_view key,
                                                        absl::string_view value) {
  ASSIGN_OR_RETURN(store::ErasurePolicy policy, Parse<store::ErasurePolicy>(key, value));
  uint32_t id;
  if (!keys::ParseErasurePolicyId(key, &id) || id != policy.id()) {
    return Bad(key, absl::StrCat("holds policy ", policy.id()));
  }
  return policy;
}

absl::StatusOr<store::ConversionRule> ParseConversionRule(absl::string_view key,
                                                          absl::string_view value) {
  ASSIGN_OR_RETURN(store::ConversionRule rule, Parse<store::ConversionRule>(key, value));
  uint64_t id;
  if (!keys::ParseTrailingId(key, &id) || key.front() != keys::kConversionRule ||
      id != rule.inode()) {
    return Bad(key, absl::StrCat("holds the rule of inode ", rule.inode()));
  }
  return rule;
}

absl::StatusOr<store::Namespace> ParseNamespace(absl::string_view key, absl::string_view value) {
  ASSIGN_OR_RETURN(store::Namespace space, Parse<store::Namespace>(key, value));
  if (space.cluster_id().empty() || space.block_pool_id().empty()) {
    return Bad(key, "no cluster id or no block pool id");
  }
  return space;
}

}  // namespace cairn::namenode
