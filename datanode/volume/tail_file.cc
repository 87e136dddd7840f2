#include "datanode/volume/tail_file.h"

#include <algorithm>
#include <memory>
#include <span>

#include "common/status_macros.h"

namespace cairn::datanode {

using transfer::DataChecksum;

absl::StatusOr<std::vector<TailRecord>> ReadTailRecords(FileSystem& fs, const std::string& path,
                                                        BlockId block) {
  std::vector<TailRecord> records;
  constexpr uint64_t kMaxBytes = uint64_t{1} << 20;  // what follows the slots is no matter
  const auto contents = fs.ReadAll(path, kMaxBytes);
  if (absl::IsNotFound(contents.status())) return records;
  RETURN_IF_ERROR(contents.status());
  const auto bytes = std::as_bytes(std::span(contents->data(), contents->size()));
  for (const uint64_t slot : {uint64_t{0}, kTailSlotBytes}) {
    if (bytes.size() < slot) continue;
    const auto record = DecodeTailRecord(bytes.subspan(static_cast<size_t>(slot)));
    if (record.has_value() && record->block == block) records.push_back(*record);
  }
  return records;
}

absl::Status WriteTailRecord(FileSystem& fs, const std::string& path, BlockId block,
                             const DataChecksum& checksum, uint64_t length,
                             std::optional<uint32_t> tail_crc, uint64_t* sequence, bool sync) {
  ASSIGN_OR_RETURN(const std::unique_ptr<File> file,
                   fs.Open(path, {.create = true, .write = true}));
  const TailRecord record{.block = block,
                          .sequence = ++*sequence,
                          .length = length,
                          .bytes_per_checksum = checksum.bytes_per_checksum(),
                          .chunk_crc = tail_crc.value_or(0)};
  RETURN_IF_ERROR(file->WriteAt(TailSlotOffset(record.sequence), EncodeTailRecord(record)));
  return sync ? file->SyncData() : absl::OkStatus();
}

absl::StatusOr<uint64_t> LastTailSequence(FileSystem& fs, const std::string& path, BlockId block) {
  uint64_t last = 0;
  ASSIGN_OR_RETURN(const std::vector<TailRecord> records, ReadTailRecords(fs, path, block));
  for (const TailRecord& record : records) {
    last = std::max(last, record.sequence);
  }
  return last;
}

absl::Status ShortenTailRecords(FileSystem& fs, const std::string& path, BlockId block,
                                const DataChecksum& checksum, uint64_t length,
                                std::optional<uint32_t> tail_crc) {
  ASSIGN_OR_RETURN(const std::vector<TailRecord> records, ReadTailRecords(fs, path, block));
  const auto longer = [length](const TailRecord& record) { return record.length > length; };
  if (std::none_of(records.begin(), records.end(), longer)) return absl::OkStatus();
  if (length == 0) {
    RETURN_IF_ERROR(fs.Remove(path));
    return fs.SyncDirectory(ParentDirectory(path));
  }
  // The longer record's hsync has synced all that is kept.
  ASSIGN_OR_RETURN(uint64_t sequence, LastTailSequence(fs, path, block));
  for (int slot = 0; slot < 2; ++slot) {
    RETURN_IF_ERROR(WriteTailRecord(fs, path, block, checksum, length, tail_crc, &sequence,
                                    /*sync=*/slot == 1));
  }
  return absl::OkStatus();
}

}  // namespace cairn::datanode
