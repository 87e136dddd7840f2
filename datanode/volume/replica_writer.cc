#include "datanode/volume/replica_writer.h"

#include <fcntl.h>

#include <array>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/check.h"
#include "common/crash_point.h"
#include "common/logging.h"
#include "common/status_macros.h"
#include "datanode/volume/replica_store.h"
#include "datanode/volume/tail_file.h"
#include "wire/transfer/big_endian.h"
#include "wire/transfer/meta_file.h"

namespace cairn::datanode {
namespace {

constexpr uint64_t kBlock = 4096;
// Below this a direct write's wait for the disk costs more than the page cache does.
constexpr uint64_t kMinDirectBytes = uint64_t{64} << 10;
constexpr uint64_t kAllocateStep = uint64_t{32} << 20;

uint64_t BlockDown(uint64_t offset) { return offset / kBlock * kBlock; }

}  // namespace

ReplicaWriter::ReplicaWriter(ReplicaStore& store, Volume& volume, int volume_index, BlockId block,
                             GenerationStamp stamp, ReplicaState state,
                             transfer::DataChecksum checksum, std::shared_ptr<OpenReplica> open,
                             uint64_t promised)
    : store_(store),
      volume_(volume),
      volume_index_(volume_index),
      block_(block),
      stamp_(stamp),
      state_(state),
      checksum_(checksum),
      open_(std::move(open)),
      promised_(promised),
      paths_(PathsIn(directory(), block, stamp)) {
  volume_.Promise(static_cast<int64_t>(promised_));
}

ReplicaWriter::~ReplicaWriter() {
  volume_.Promise(-static_cast<int64_t>(promised_));
  if (!finalized_) {
    if (state_ == ReplicaState::kTemporary || discard_) {
      // Before another one may be created, whose files have these names.
      volume_.fs().Remove(paths_.data).IgnoreError();  // the next start deletes what is left
      volume_.fs().Remove(paths_.meta).IgnoreError();
      store_.Erase(block_);
    } else if (allocated_ > length_ && data_ != nullptr) {
      data_->Truncate(length_)
          .IgnoreError();  // gives back reserved space; the bytes are not touched
    }
  }
  if (!finalized_) open_->ReleaseWriter();
}

absl::Status ReplicaWriter::Note(absl::Status status) {
  if (!status.ok() && broken_.ok()) {
    broken_ = status;
    open_->SetEnding();  // before the volume fails: its writers are stopped then
  }
  return volume_.Note(VolumeUse::kWrite, std::move(status));
}

absl::Status ReplicaWriter::CheckUsable() const {
  RETURN_IF_ERROR(broken_);
  return volume_.CheckUsable();
}

absl::Status ReplicaWriter::OpenFiles(bool create) {
  FileSystem& fs = volume_.fs();
  const OpenOptions options{.create = create, .exclusive = create, .write = true};
  for (const auto& [file, path] : {std::pair(&data_, &paths_.data), {&meta_, &paths_.meta}}) {
    auto opened = fs.Open(*path, options);
    RETURN_IF_ERROR(Note(opened.status()));
    *file = *std::move(opened);
  }
  if (create) {
    std::array<std::byte, transfer::kMetaHeaderBytes> header;
    transfer::EncodeMetaHeader(checksum_, header);
    return Note(meta_->WriteAt(0, header));
  }
  ASSIGN_OR_RETURN(length_, data_->Size());
  const uint64_t chunk_start = checksum_.RoundDown(length_);
  if (chunk_start < length_ && checksum_.checksum_size() != 0) {
    ASSIGN_OR_RETURN(const std::vector<std::byte> crc,
                     ReadChecksums(*meta_, checksum_, chunk_start, length_));
    last_crc_ = transfer::LoadBig32(crc.data());
  }
  has_tail_ = fs.Exists(paths_.tail);
  ASSIGN_OR_RETURN(tail_sequence_, LastTailSequence(fs, paths_.tail, block_));
  directory_synced_ = true;  // Reopen has done it
  return absl::OkStatus();
}

absl::Status ReplicaWriter::Load(uint64_t offset, std::span<std::byte> out) {
  RETURN_IF_ERROR(CheckUsable());
  const absl::StatusOr<size_t> count = data_->ReadAt(offset, out);
  RETURN_IF_ERROR(volume_.Note(VolumeUse::kRead, count.status()));
  if (*count != out.size()) {
    return absl::DataLossError(absl::StrCat(paths_.data, ": shorter than ", offset + out.size()));
  }
  const uint64_t chunk_start = checksum_.RoundDown(length_);
  if (chunk_start == length_ || checksum_.checksum_size() == 0) return absl::OkStatus();
  const auto chunk = out.subspan(static_cast<size_t>(chunk_start - offset));
  if (checksum_.Of(chunk) == last_crc_) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat(paths_.data, ": the chunk at offset ", chunk_start,
                                          " does not match its checksum"));
}

void ReplicaWriter::AllocateAhead(uint64_t end) {
  if (end <= allocated_ || direct_->fd() < 0) return;
  // No more than the replica is expected to take: many small ones may be written at a time.
  const uint64_t expected = promised_ == 0 ? kAllocateStep : std::min(kAllocateStep, promised_);
  const uint64_t step = std::max(expected, end - allocated_);
  // Only saves time; a full disk is the write's own error.
  if (::fallocate(direct_->fd(), FALLOC_FL_KEEP_SIZE, static_cast<off_t>(allocated_),
                  static_cast<off_t>(step)) == 0) {
    allocated_ += step;
  }
}

absl::Status ReplicaWriter::WriteDirect(uint64_t offset, std::span<const std::byte> data) {
  if (direct_ == nullptr) {
    ASSIGN_OR_RETURN(direct_, volume_.fs().Open(paths_.data, {.write = true, .direct = true}));
    allocated_ = std::max(allocated_, BlockDown(offset));
  }
  AllocateAhead(offset + data.size());
  return direct_->WriteAt(offset, data);
}

absl::Status ReplicaWriter::Write(uint64_t buffer_offset, std::span<const std::byte> buffer,
                                  uint64_t from, uint64_t crc_from,
                                  std::span<const std::byte> crcs) {
  const uint64_t end = buffer_offset + buffer.size();
  CHECK(buffer_offset <= from && from <= length_ && from <= end) << from << " " << length_;
  if (end == from) return absl::OkStatus();
  RETURN_IF_ERROR(CheckUsable());
  const uint64_t direct_begin = BlockDown(from);
  const uint64_t direct_end = BlockDown(end);
  uint64_t rest = from;
  if (buffer_offset % kBlock == 0 && direct_begin >= buffer_offset &&
      direct_end >= direct_begin + kMinDirectBytes) {
    RETURN_IF_ERROR(Note(
        WriteDirect(direct_begin, buffer.subspan(static_cast<size_t>(direct_begin - buffer_offset),
                                                 static_cast<size_t>(direct_end - direct_begin)))));
    rest = direct_end;
  }
  if (rest < end) {
    RETURN_IF_ERROR(
        Note(data_->WriteAt(rest, buffer.subspan(static_cast<size_t>(rest - buffer_offset)))));
  }
  CRASH_POINT("datanode_between_data_and_checksums");
  RETURN_IF_ERROR(Note(meta_->WriteAt(transfer::MetaOffset(checksum_, crc_from), crcs)));
  if (!crcs.empty()) last_crc_ = transfer::LoadBig32(&crcs[crcs.size() - 4]);
  length_ = std::max(length_, end);
  open_->SetReceived(length_);
  // What is written is no longer only promised.
  const uint64_t settled = std::min(promised_, end - from);
  promised_ -= settled;
  volume_.Promise(-static_cast<int64_t>(settled));
  return absl::OkStatus();
}

absl::Status ReplicaWriter::SyncFiles() {
  absl::Status status = data_->SyncData();
  if (status.ok()) status = meta_->SyncData();
  if (!status.ok()) open_->SetSyncFailed();
  return Note(std::move(status));
}

absl::Status ReplicaWriter::Sync() {
  RETURN_IF_ERROR(CheckUsable());
  open_->SetHsynced();
  RETURN_IF_ERROR(SyncFiles());
  if (length_ > 0) {
    // At a chunk boundary the record only tells rot from what an unsynced write left: not worth
    // another sync.
    const bool partial = length_ % checksum_.bytes_per_checksum() != 0;
    const auto tail_crc = partial ? std::optional(last_crc_) : std::nullopt;
    if (!has_tail_) directory_synced_ = false;
    RETURN_IF_ERROR(Note(WriteTailRecord(volume_.fs(), paths_.tail, block_, checksum_, length_,
                                         tail_crc, &tail_sequence_, /*sync=*/partial)));
    has_tail_ = true;
  }
  if (!directory_synced_) {
    RETURN_IF_ERROR(Note(volume_.fs().SyncDirectory(directory())));
    directory_synced_ = true;
  }
  return absl::OkStatus();
}

absl::Status ReplicaWriter::Finalize(bool sync) {
  RETURN_IF_ERROR(CheckUsable());
  FileSystem& fs = volume_.fs();
  sync = sync || store_.options().sync_on_finalize || open_->hsynced();
  if (allocated_ > length_) RETURN_IF_ERROR(Note(data_->Truncate(length_)));
  if (sync) RETURN_IF_ERROR(SyncFiles());
  RETURN_IF_ERROR(Note(volume_.MakeFinalizedDirectory(block_)));
  const std::string directory = volume_.FinalizedDirectory(block_);
  const ReplicaPaths paths = PathsIn(directory, block_, stamp_);
  CRASH_POINT("datanode_finalize_before_rename");
  const auto move = [&]() -> absl::Status {
    // Meta first: data without a meta file beside it are completed at the next start.
    RETURN_IF_ERROR(fs.Rename(paths_.meta, paths.meta));
    CRASH_POINT("datanode_finalize_between_renames");
    absl::Status status = fs.Rename(paths_.data, paths.data);
    const bool data_moved = status.ok();
    if (status.ok() && sync) status = fs.SyncDirectory(directory);
    if (status.ok()) return status;
    // Back, to where a recovery looks for what is being written. Failing that, the next start finds
    // them.
    if (data_moved) fs.Rename(paths.data, paths_.data).IgnoreError();
    fs.Rename(paths.meta, paths_.meta).IgnoreError();
    return status;
  };
  RETURN_IF_ERROR(Note(move()));
  CRASH_POINT("datanode_finalize_before_ack");
  if (has_tail_) fs.Remove(paths_.tail).IgnoreError();  // without its replica it has no meaning
  open_->SetAcked(length_);
  const ReplicaInfo info{.block = block_,
                         .stamp = stamp_,
                         .state = ReplicaState::kFinalized,
                         .length = length_,
                         .volume = volume_index_};
  // Nobody else may change the replica before this has been announced.
  store_.Put(info, open_);
  store_.events_.Changed(ReplicaEvents::Kind::kFinalized, volume_, info);
  finalized_ = true;
  store_.GiveBack({.info = info, .open = open_});
  return absl::OkStatus();
}

absl::Status ReplicaWriter::BecomeBeingWritten() {
  CHECK(state_ == ReplicaState::kTemporary);
  RETURN_IF_ERROR(CheckUsable());
  FileSystem& fs = volume_.fs();
  const ReplicaPaths paths = PathsIn(volume_.RbwDirectory(), block_, stamp_);
  RETURN_IF_ERROR(Note(fs.Rename(paths_.meta, paths.meta)));
  if (absl::Status status = fs.Rename(paths_.data, paths.data); !status.ok()) {
    fs.Rename(paths.meta, paths_.meta).IgnoreError();  // to be deleted with the data
    return Note(std::move(status));
  }
  fs.Remove(paths.tail).IgnoreError();  // of an earlier life of the block
  paths_ = paths;
  state_ = ReplicaState::kBeingWritten;
  open_->SetHsynced();  // what was promised of its bytes is not known here
  open_->SetAcked(length_);
  const ReplicaInfo info{.block = block_,
                         .stamp = stamp_,
                         .state = state_,
                         .length = length_,
                         .volume = volume_index_};
  store_.Put(info, open_);
  store_.events_.Changed(ReplicaEvents::Kind::kBeingWritten, volume_, info);
  return absl::OkStatus();
}

}  // namespace cairn::datanode
