// namenode/store/records.h - checked decoding of the store's values (proto/store.proto).
//
// A value is as hostile as anything read from a disk: each function checks that the bytes are a
// whole message, that the fields which everything else builds on make sense, and that a record
// which repeats its key agrees with it. kDataLoss otherwise, naming the record as keys::Readable
// does. Fields that are unknown here are kept: an older program reads a newer one's records.
// Thread-safe: pure functions.
#pragma once

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "proto/store.pb.h"

namespace cairn::namenode {

// Bounds beyond every configuration, so that a damaged value is not taken for a large one.
inline constexpr int kMaxBlocksOfFile = 1 << 20;
inline constexpr int kMaxReplicasOfBlock = 1 << 10;
inline constexpr uint32_t kMaxMode = 01777;

// Key of kind 'd' or 'x'. An entry has an id, or names a linked inode; the id of a detached inode
// is its key's. A directory has no blocks, a block has an id, a file with blocks has a block size.
absl::StatusOr<store::Inode> ParseInode(absl::string_view key, absl::string_view value);
// Only the root has no parent and no name; a name holds no '/' and no NUL.
absl::StatusOr<store::Location> ParseLocation(absl::string_view key, absl::string_view value);
absl::StatusOr<store::Sums> ParseSums(absl::string_view key, absl::string_view value);
absl::StatusOr<store::BlockOwner> ParseBlockOwner(absl::string_view key, absl::string_view value);
absl::StatusOr<store::Replicas> ParseReplicas(absl::string_view key, absl::string_view value);
// Its id is its key's.
absl::StatusOr<store::Block> ParseRemovedBlock(absl::string_view key, absl::string_view value);
absl::StatusOr<store::Storage> ParseStorage(absl::string_view key, absl::string_view value);
// Its id is its key's.
absl::StatusOr<store::ErasurePolicy> ParseErasurePolicy(absl::string_view key,
                                                        absl::string_view value);
// Its inode is its key's.
absl::StatusOr<store::ConversionRule> ParseConversionRule(absl::string_view key,
                                                          absl::string_view value);
// Has a cluster id and a block pool id.
absl::StatusOr<store::Namespace> ParseNamespace(absl::string_view key, absl::string_view value);

}  // namespace cairn::namenode
