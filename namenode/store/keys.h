// namenode/store/keys.h - every key of the namenode's LevelDB, in one place.
//
//   prefix  rest                                  value (proto/store.proto)
//   'N'     -                                     Namespace: identity and counters
//   'T'     -                                     applied txid, 8 bytes big-endian: see below
//   'd'     parent inode id, name                 Inode: a directory's entries are one range scan
//   'i'     inode id                              Location: parent and name of an inode
//   's'     inode id of a directory               Sums
//   'x'     inode id                              Inode: root of a deleted subtree, to be reclaimed
//   'b'     block id                              BlockOwner
//   'r'     block id                              Replicas
//   'n'     storage number (4 bytes), block id    empty: the blocks of one storage, one range scan
//   'S'     storage number (4 bytes)              Storage
//   'u'     inode id                              empty: files being written, for their leases
//   'e'     erasure policy id (4 bytes)           ErasurePolicy
//   'p'     inode id of a directory               ConversionRule
//   'z'     block id                              Block: of no file any more; its storages are to
//                                                 be told, and its 'r' and 'n' are to go
//
// 'T' belongs to the store alone. Each batch that reaches LevelDB rewrites it, so that content and
// position cannot disagree: the store holds every edit up to that txid and none after. It is a key
// of its own, not a field of Namespace, because a batch is written without looking into records.
//
// Reserved for what comes: 'v' (key, txid) old versions kept for snapshots, 'h' inode id (inodes
// with several names), 'a' and 'y' inode id (ACLs, xattrs), 'q' inode id (quotas). Integers are
// big-endian, so that byte order is numeric order; names are the raw bytes. A prefix or a layout is
// never given a second meaning.
#pragma once

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "common/ids.h"

namespace cairn::namenode::keys {

inline constexpr char kNamespace = 'N';
inline constexpr char kApplied = 'T';
inline constexpr char kEntry = 'd';
inline constexpr char kLocation = 'i';
inline constexpr char kSums = 's';
inline constexpr char kDetached = 'x';
inline constexpr char kBlockOwner = 'b';
inline constexpr char kReplicas = 'r';
inline constexpr char kStorageBlock = 'n';
inline constexpr char kStorage = 'S';
inline constexpr char kOpenFile = 'u';
inline constexpr char kErasurePolicy = 'e';
inline constexpr char kConversionRule = 'p';
inline constexpr char kRemovedBlock = 'z';

std::string Namespace();
std::string Applied();
std::string Entry(InodeId parent, absl::string_view name);
std::string EntryPrefix(InodeId parent);  // all entries of a directory
std::string Location(InodeId inode);
std::string Sums(InodeId directory);
std::string Detached(InodeId inode);
std::string BlockOwner(BlockId block);
std::string Replicas(BlockId block);
std::string StorageBlock(uint32_t storage, BlockId block);
std::string StorageBlockPrefix(uint32_t storage);
std::string Storage(uint32_t storage);
std::string OpenFile(InodeId inode);
std::string ErasurePolicy(uint32_t id);
std::string ConversionRule(InodeId directory);
std::string RemovedBlock(BlockId block);

// What is in a key made above; false: the key is damaged, or of another kind. The name is a part of
// `key`.
bool ParseEntry(absl::string_view key, InodeId* parent, absl::string_view* name);
bool ParseEntryName(absl::string_view key, absl::string_view* name);
// The inode or block id that ends a key of the kinds 'i', 's', 'x', 'b', 'r', 'u', 'n', 'p' and
// 'z'.
bool ParseTrailingId(absl::string_view key, uint64_t* id);
bool ParseStorageNumber(absl::string_view key, uint32_t* storage);  // kinds 'S' and 'n'
bool ParseErasurePolicyId(absl::string_view key, uint32_t* id);

// For messages: "entry 16385/\"name\"", "inode 16390", "block 1073741825 of storage 3". A damaged
// key is printed escaped.
std::string Readable(absl::string_view key);

}  // namespace cairn::namenode::keys
