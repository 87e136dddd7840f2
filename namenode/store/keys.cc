#include "namenode/store/keys.h"

#include <cstddef>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace cairn::namenode::keys {
namespace {

constexpr size_t kIdBytes = 8;
constexpr size_t kStorageBytes = 4;

template <typename Int>
void AppendBigEndian(Int value, std::string* out) {
  for (int shift = static_cast<int>(sizeof(Int)) * 8 - 8; shift >= 0; shift -= 8) {
    out->push_back(static_cast<char>(value >> shift));
  }
}

template <typename Int>
Int ReadBigEndian(absl::string_view bytes) {
  Int value = 0;
  for (size_t i = 0; i < sizeof(Int); ++i) {
    value = static_cast<Int>(value << 8) | static_cast<uint8_t>(bytes[i]);
  }
  return value;
}

template <typename Id>
std::string WithId(char prefix, Id id) {
  std::string key(1, prefix);  // 9 bytes: within every std::string's inline room
  AppendBigEndian<uint64_t>(ToInt(id), &key);
  return key;
}

std::string WithStorage(char prefix, uint32_t storage) {
  std::string key(1, prefix);
  AppendBigEndian<uint32_t>(storage, &key);
  return key;
}

bool EndsWithId(char prefix) {
  switch (prefix) {
    case kLocation:
    case kSums:
    case kDetached:
    case kBlockOwner:
    case kReplicas:
    case kOpenFile:
    case kConversionRule:
    case kRemovedBlock:
      return true;
    default:
      return false;
  }
}

absl::string_view NameOfKind(char prefix) {
  switch (prefix) {
    case kLocation:
      return "location of inode ";
    case kSums:
      return "sums of inode ";
    case kDetached:
      return "detached inode ";
    case kBlockOwner:
      return "owner of block ";
    case kReplicas:
      return "replicas of block ";
    case kConversionRule:
      return "conversion rule of inode ";
    case kRemovedBlock:
      return "removed block ";
    default:
      return "open file, inode ";
  }
}

}  // namespace

std::string Namespace() { return std::string(1, kNamespace); }
std::string Applied() { return std::string(1, kApplied); }

std::string EntryPrefix(InodeId parent) { return WithId(kEntry, parent); }
std::string Entry(InodeId parent, absl::string_view name) {
  std::string key;
  key.reserve(1 + kIdBytes + name.size());
  key.push_back(kEntry);
  AppendBigEndian<uint64_t>(ToInt(parent), &key);
  key.append(name.data(), name.size());
  return key;
}

std::string Location(InodeId inode) { return WithId(kLocation, inode); }
std::string Sums(InodeId directory) { return WithId(kSums, directory); }
std::string Detached(InodeId inode) { return WithId(kDetached, inode); }
std::string BlockOwner(BlockId block) { return WithId(kBlockOwner, block); }
std::string Replicas(BlockId block) { return WithId(kReplicas, block); }
std::string OpenFile(InodeId inode) { return WithId(kOpenFile, inode); }
std::string ConversionRule(InodeId directory) { return WithId(kConversionRule, directory); }
std::string RemovedBlock(BlockId block) { return WithId(kRemovedBlock, block); }

std::string StorageBlockPrefix(uint32_t storage) { return WithStorage(kStorageBlock, storage); }
std::string StorageBlock(uint32_t storage, BlockId block) {
  std::string key = StorageBlockPrefix(storage);
  AppendBigEndian<uint64_t>(ToInt(block), &key);
  return key;
}
std::string Storage(uint32_t storage) { return WithStorage(kStorage, storage); }
std::string ErasurePolicy(uint32_t id) { return WithStorage(kErasurePolicy, id); }

bool ParseEntry(absl::string_view key, InodeId* parent, absl::string_view* name) {
  if (key.size() <= 1 + kIdBytes || key.front() != kEntry) return false;
  *parent = InodeId{ReadBigEndian<uint64_t>(key.substr(1))};
  *name = key.substr(1 + kIdBytes);
  return true;
}

bool ParseEntryName(absl::string_view key, absl::string_view* name) {
  InodeId parent;
  return ParseEntry(key, &parent, name);
}

bool ParseTrailingId(absl::string_view key, uint64_t* id) {
  if (key.empty()) return false;
  const size_t at =
      key.front() == kStorageBlock ? 1 + kStorageBytes : (EndsWithId(key.front()) ? 1 : key.size());
  if (key.size() != at + kIdBytes) return false;
  *id = ReadBigEndian<uint64_t>(key.substr(at));
  return true;
}

bool ParseStorageNumber(absl::string_view key, uint32_t* storage) {
  if (key.empty()) return false;
  size_t want = 0;
  if (key.front() == kStorage) want = 1 + kStorageBytes;
  if (key.front() == kStorageBlock) want = 1 + kStorageBytes + kIdBytes;
  if (key.size() != want) return false;
  *storage = ReadBigEndian<uint32_t>(key.substr(1));
  return true;
}

bool ParseErasurePolicyId(absl::string_view key, uint32_t* id) {
  if (key.size() != 1 + kStorageBytes || key.front() != kErasurePolicy) return false;
  *id = ReadBigEndian<uint32_t>(key.substr(1));
  return true;
}

std::string Readable(absl::string_view key) {
  InodeId parent;
  absl::string_view name;
  uint32_t storage = 0, id_of_policy = 0;
  uint64_t id = 0;
  if (key == absl::string_view(&kNamespace, 1)) return "namespace record";
  if (key == absl::string_view(&kApplied, 1)) return "applied txid";
  if (ParseEntry(key, &parent, &name)) {
    return absl::StrCat("entry ", ToInt(parent), "/\"", absl::CHexEscape(name), "\"");
  }
  if (ParseErasurePolicyId(key, &id_of_policy)) {
    return absl::StrCat("erasure coding policy ", id_of_policy);
  }
  if (ParseStorageNumber(key, &storage)) {
    if (!ParseTrailingId(key, &id)) return absl::StrCat("storage ", storage);
    return absl::StrCat("block ", id, " of storage ", storage);
  }
  if (ParseTrailingId(key, &id)) return absl::StrCat(NameOfKind(key.front()), id);
  return absl::StrCat("key \"", absl::CHexEscape(key), "\"");
}

}  // namespace cairn::namenode::keys
