#include "namenode/namespace/inode_record.h"

#include "proto/store.pb.h"

namespace cairn::namenode {
namespace {

// Source of the encoding: https://protobuf.dev/programming-guides/encoding/
class Fields {
 public:
  explicit Fields(absl::string_view bytes) : at_(bytes.data()), end_(at_ + bytes.size()) {}

  // The next field; false at the end or at damage.
  bool Next() {
    if (at_ == end_) return false;
    uint64_t tag;
    if (!Varint(&tag) || tag > UINT32_MAX || tag >> 3 == 0) return Fail();
    field_ = static_cast<int>(tag >> 3);
    type_ = static_cast<int>(tag & 7);
    switch (type_) {
      case kVarint:
        return Varint(&number_) || Fail();
      case kFixed64:
        return Skip(8) || Fail();
      case kBytes: {
        uint64_t size;
        if (!Varint(&size) || size > static_cast<uint64_t>(end_ - at_)) return Fail();
        bytes_ = absl::string_view(at_, size);
        at_ += size;
        return true;
      }
      case kFixed32:
        return Skip(4) || Fail();
      default:
        return Fail();
    }
  }
  bool damaged() const { return damaged_; }
  bool Is(int field, int type) const { return field_ == field && type_ == type; }
  int field() const { return field_; }
  int type() const { return type_; }
  uint64_t number() const { return number_; }
  absl::string_view bytes() const { return bytes_; }

  enum Type { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

 private:
  bool Fail() {
    damaged_ = true;
    return false;
  }
  bool Skip(ptrdiff_t bytes) {
    if (end_ - at_ < bytes) return false;
    at_ += bytes;
    return true;
  }
  bool Varint(uint64_t* value) {
    *value = 0;
    for (int shift = 0; shift < 70 && at_ != end_; shift += 7) {
      const auto byte = static_cast<uint8_t>(*at_++);
      *value |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return true;
    }
    return false;
  }

  const char* at_;
  const char* const end_;
  int field_ = 0, type_ = 0;
  uint64_t number_ = 0;
  absl::string_view bytes_;
  bool damaged_ = false;
};

bool AddBlockLength(absl::string_view block, uint64_t* length) {
  Fields fields(block);
  while (fields.Next()) {
    if (fields.Is(store::Block::kLengthFieldNumber, Fields::kVarint)) *length += fields.number();
  }
  return !fields.damaged();
}

}  // namespace

bool InodeRecordReader::Read(absl::string_view record, FileStatus* status, uint64_t* txid) {
  *status = FileStatus();
  *txid = 0;
  status->owner = status->group = "";
  bool replicate = false;
  Fields fields(record);
  while (fields.Next()) {
    if (fields.type() == Fields::kVarint) {
      switch (fields.field()) {
        case store::Inode::kIdFieldNumber:
          status->id = InodeId{fields.number()};
          break;
        case store::Inode::kTxidFieldNumber:
          *txid = fields.number();
          break;
        case store::Inode::kDirectoryFieldNumber:
          status->directory = fields.number() != 0;
          break;
        case store::Inode::kModeFieldNumber:
          status->mode = static_cast<uint32_t>(fields.number());
          break;
        case store::Inode::kMtimeMsFieldNumber:
          status->mtime_ms = fields.number();
          break;
        case store::Inode::kAtimeMsFieldNumber:
          status->atime_ms = fields.number();
          break;
        case store::Inode::kStoragePolicyFieldNumber:
          status->storage_policy = static_cast<uint32_t>(fields.number());
          break;
        case store::Inode::kReplicationFieldNumber:
          status->replication = static_cast<uint32_t>(fields.number());
          break;
        case store::Inode::kBlockBytesFieldNumber:
          status->block_bytes = fields.number();
          break;
        case store::Inode::kChildrenFieldNumber:
          status->children = fields.number();
          break;
        case store::Inode::kShouldReplicateFieldNumber:
          replicate = fields.number() != 0;
          break;
        case store::Inode::kErasurePolicyFieldNumber:
          if (fields.number() > ErasurePolicies::kMaxId) return false;
          status->erasure = policies_.Find(static_cast<uint32_t>(fields.number()));
          if (status->erasure == nullptr && fields.number() != 0) return false;
          break;
        case store::Inode::kSmallOfFieldNumber:
          if (fields.number() > ErasurePolicies::kMaxId) return false;
          status->small_of = policies_.Find(static_cast<uint32_t>(fields.number()));
          if (status->small_of == nullptr && fields.number() != 0) return false;
          break;
        default:
          break;
      }
    } else if (fields.Is(store::Inode::kOwnerFieldNumber, Fields::kBytes)) {
      status->owner = Intern(fields.bytes(), &owner_);
    } else if (fields.Is(store::Inode::kGroupFieldNumber, Fields::kBytes)) {
      status->group = Intern(fields.bytes(), &group_);
    } else if (fields.Is(store::Inode::kBlocksFieldNumber, Fields::kBytes)) {
      if (!AddBlockLength(fields.bytes(), &status->length)) return false;
    }
  }
  // A directory's record shows none of these, whatever it holds.
  if (status->directory) {
    status->length = status->atime_ms = status->block_bytes = 0;
    status->replication = 0;
    status->small_of = nullptr;
    if (status->erasure == nullptr && !replicate) status->erasure = above_;
  } else {
    status->children = 0;
  }
  return !fields.damaged();
}

}  // namespace cairn::namenode
