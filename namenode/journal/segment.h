// namenode/journal/segment.h - the bytes of one journal file. Pure functions: no file, no thread.
//
//   | header block | batch | batch | ...               | never written, or an earlier life |
//     4096 bytes     each starts at a multiple of 4096 and is written once, by one write
//
// A batch is a run of frames, one per edit, then zeros up to the block boundary. A file is reused
// without being cleared, so nothing but the checksum tells a live frame from an old one: each
// frame's CRC begins with the segment's epoch, a random number chosen at each reuse. Format, with
// worked bytes: docs/formats/journal.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/ids.h"

namespace cairn::namenode {

inline constexpr size_t kJournalBlockBytes = 4096;  // what O_DIRECT asks for, and a device's page
inline constexpr size_t kFrameHeaderBytes = 24;
inline constexpr size_t kMaxClusterIdBytes = 64;
inline constexpr uint64_t kMaxSegmentBytes = uint64_t{1} << 30;

constexpr uint64_t RoundUpToBlock(uint64_t bytes) {
  return (bytes + kJournalBlockBytes - 1) / kJournalBlockBytes * kJournalBlockBytes;
}

struct SegmentHeader {
  enum class State : uint32_t {
    kLive = 1,   // holds edits from `first` on, maybe none yet
    kSpare = 2,  // prepared or given back: whatever follows is void
  };
  State state = State::kSpare;
  uint64_t segment_bytes = 0;  // the file's size
  TxId first = kNoTx;          // kNoTx in a spare
  uint64_t epoch = 0;          // 0 in a spare
  absl::Time created;          // when the segment went live; for people, never compared
  std::string cluster_id;
};

// Fills the block that begins a file. CHECKs that the cluster id fits.
void EncodeSegmentHeader(const SegmentHeader& header, std::span<std::byte, kJournalBlockBytes> out);

// kNotFound: all zeros, preparing the file was never finished. kDataLoss: not a header, or its CRC
// is wrong. kUnimplemented: a newer version. Reads the first block only.
absl::StatusOr<SegmentHeader> ParseSegmentHeader(std::span<const std::byte> bytes);

// Writing a batch. Append copies edits in with PutFrame, which is all that happens under the
// namespace lock; the committer then knows the segment and adds the checksums with SealBatch.

// Writes the frame of `edit` at the front of `out`, all but CRC and run.
void PutFrame(TxId txid, uint32_t index_in_batch, absl::string_view edit, std::byte* out);
// Completes the frames in the first `used` bytes of `batch` and zeroes the rest of the last block.
// Returns the bytes to write, RoundUpToBlock(used).
size_t SealBatch(std::span<std::byte> batch, size_t used, uint64_t epoch, uint32_t run);

struct Edit {
  TxId txid;
  uint64_t offset;         // of its frame in the file
  absl::string_view data;  // inside the bytes that were read
};

// What a crash left of the last write.
struct TornTail {
  uint64_t offset;  // where the log now ends
  uint64_t bytes;   // from there to the end of what is recognizable; void from now on
  TxId txid;        // the first edit that is not whole
};

struct SegmentContents {
  SegmentHeader header;
  std::vector<Edit> edits;       // txids header.first, +1, +2, ...
  TxId last = kNoTx;             // of the last edit; header.first - 1 if there is none
  uint64_t end_offset = 0;       // a block boundary: where the next batch goes
  uint32_t last_run = 0;         // run of the last batch
  std::optional<TornTail> torn;  // only what can be recognized; a lost write may leave no trace
};

// Reads a whole live segment; the views point into `bytes`, whose size must be the file's.
//   kDataLoss      damage that a crash does not explain: the header, a short file, or an edit that
//                  does not read back although a batch was begun after it had been durable. The
//                  message gives offset and txid; the caller adds the file's name
//   kInvalidArgument  a spare, or larger than kMaxSegmentBytes
//   kUnimplemented    a newer version
// Rot in the very last batch looks as a torn write does and is reported as one: no reader of one
// copy can tell them apart.
absl::StatusOr<SegmentContents> ReadSegment(std::span<const std::byte> bytes);

// What can be read of a segment that may be damaged: runs of edits, in txid order, with edits
// missing between them.
struct SegmentRun {
  std::vector<Edit> edits;  // at least one; consecutive txids
  uint64_t end_offset = 0;  // where the last one ends
};
struct SalvagedSegment {
  SegmentHeader header;
  std::vector<SegmentRun> runs;
};
// For looking at damage and for recovery; a start uses ReadSegment. The errors are those of
// ParseSegmentHeader and kInvalidArgument, as above; a file of another size than its header says is
// read as far as it goes. Work is bounded by a few times the file's size.
absl::StatusOr<SalvagedSegment> SalvageSegment(std::span<const std::byte> bytes);

}  // namespace cairn::namenode
