#include "namenode/journal/segment.h"

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "common/check.h"
#include "common/crc32c.h"
#include "common/status_macros.h"

namespace cairn::namenode {
namespace {

constexpr char kMagic[8] = {'C', 'A', 'I', 'R', 'N', 'J', 'N', 'L'};
constexpr uint32_t kVersion = 1;

// Offsets in the header block.
constexpr size_t kVersionAt = 8;
constexpr size_t kStateAt = 12;
constexpr size_t kSegmentBytesAt = 16;
constexpr size_t kFirstTxidAt = 24;
constexpr size_t kEpochAt = 32;
constexpr size_t kCreatedAt = 40;
constexpr size_t kClusterIdAt = 48;
constexpr size_t kHeaderCrcAt = kClusterIdAt + kMaxClusterIdBytes;
constexpr size_t kHeaderBytes = kHeaderCrcAt + 4;

// Offsets in a frame.
constexpr size_t kCrcAt = 0;
constexpr size_t kLengthAt = 4;
constexpr size_t kTxidAt = 8;
constexpr size_t kIndexAt = 16;
constexpr size_t kRunAt = 20;
static_assert(kRunAt + 4 == kFrameHeaderBytes);

void Put32(std::byte* at, uint32_t value) {
  for (int i = 0; i < 4; ++i) at[i] = static_cast<std::byte>(value >> (8 * i));
}
void Put64(std::byte* at, uint64_t value) {
  for (int i = 0; i < 8; ++i) at[i] = static_cast<std::byte>(value >> (8 * i));
}
uint32_t Get32(const std::byte* at) {
  uint32_t value = 0;
  for (int i = 0; i < 4; ++i) value |= static_cast<uint32_t>(at[i]) << (8 * i);
  return value;
}
uint64_t Get64(const std::byte* at) {
  uint64_t value = 0;
  for (int i = 0; i < 8; ++i) value |= static_cast<uint64_t>(at[i]) << (8 * i);
  return value;
}

bool AllZero(std::span<const std::byte> bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](std::byte b) { return b == std::byte{0}; });
}

// The CRC of the epoch alone: what every frame's CRC goes on from.
uint32_t EpochCrc(uint64_t epoch) {
  std::byte bytes[8];
  Put64(bytes, epoch);
  return Crc32c(bytes);
}

struct Frame {
  uint64_t offset = 0;
  uint32_t length = 0;
  uint64_t txid = 0;
  uint32_t index = 0;
  uint32_t run = 0;

  uint64_t end() const { return offset + kFrameHeaderBytes + length; }
  // Every edit before this one was durable when the frame's batch was written.
  uint64_t batch_first() const { return txid - index; }
};

// Walks the frames of one segment.
class Scanner {
 public:
  Scanner(std::span<const std::byte> bytes, uint64_t epoch)
      : bytes_(bytes), epoch_crc_(EpochCrc(epoch)) {}

  // The fields at `offset`, unchecked but for the bounds and what no frame can have.
  std::optional<Frame> PeekAt(uint64_t offset) const {
    if (offset > bytes_.size() || bytes_.size() - offset < kFrameHeaderBytes) return std::nullopt;
    const std::byte* const at = bytes_.data() + offset;
    const Frame frame{.offset = offset,
                      .length = Get32(at + kLengthAt),
                      .txid = Get64(at + kTxidAt),
                      .index = Get32(at + kIndexAt),
                      .run = Get32(at + kRunAt)};
    if (frame.length > bytes_.size() - offset - kFrameHeaderBytes) return std::nullopt;
    if (frame.index >= frame.txid) return std::nullopt;  // no batch begins before edit 1
    return frame;
  }

  bool ChecksumMatches(const Frame& frame) {
    checked_bytes_ += kFrameHeaderBytes + frame.length;
    const auto body =
        bytes_.subspan(frame.offset + kLengthAt, kFrameHeaderBytes - kLengthAt + frame.length);
    return Get32(bytes_.data() + frame.offset + kCrcAt) == Crc32cExtend(epoch_crc_, body);
  }

  // Work done so far, to bound what hostile bytes can cost.
  uint64_t checked_bytes() const { return checked_bytes_; }

 private:
  const std::span<const std::byte> bytes_;
  const uint32_t epoch_crc_;
  uint64_t checked_bytes_ = 0;
};

// Follows the log from a block boundary on, where a batch that begins with edit `next` may be;
// `contents` gets the edits, `end` is where the last one ends.
void ReadLog(std::span<const std::byte> bytes, Scanner& scanner, uint64_t from, uint64_t next,
             SegmentContents& contents, uint64_t& end) {
  end = from;
  uint32_t next_index = 0;
  const auto take = [&](uint64_t offset, uint32_t index) {
    const std::optional<Frame> frame = scanner.PeekAt(offset);
    if (!frame || frame->txid != next || frame->index != index) return false;
    // A batch is one write of one run. What an earlier, torn write left between the frames of a
    // later one differs in this.
    if (index > 0 && frame->run != contents.last_run) return false;
    if (!scanner.ChecksumMatches(*frame)) return false;
    contents.edits.push_back(
        {.txid = TxId{next},
         .offset = offset,
         .data = absl::string_view(
             reinterpret_cast<const char*>(bytes.data()) + offset + kFrameHeaderBytes,
             frame->length)});
    contents.last_run = frame->run;
    end = frame->end();
    ++next;
    next_index = index + 1;
    return true;
  };
  while ((next_index > 0 && take(end, next_index)) || take(RoundUpToBlock(end), 0)) {
  }
  contents.last = TxId{next - 1};
  contents.end_offset = RoundUpToBlock(end);
}

// Looks behind the end of the log. A batch that was begun after edit last + 1 had been durable
// means that this edit is damaged, not torn.
absl::Status JudgeEnd(std::span<const std::byte> bytes, Scanner& scanner, uint64_t end,
                      SegmentContents& contents) {
  const uint64_t missing = ToInt(contents.last) + 1;
  const uint64_t boundary = contents.end_offset;
  // Where the missing edit was: behind the last one, unless that ended its batch.
  const bool mid_batch = !AllZero(bytes.subspan(end, boundary - end));
  const uint64_t missing_at = mid_batch ? end : boundary;
  uint64_t torn_end = boundary;
  if (const auto frame = scanner.PeekAt(boundary);
      frame && frame->txid == missing && frame->index == 0) {
    torn_end = std::max(torn_end, RoundUpToBlock(frame->end()));
  }
  // No valid file needs more: true frames are checked once, others fail before the checksum.
  const uint64_t limit = scanner.checked_bytes() + 4 * bytes.size();
  for (uint64_t at = boundary; at < bytes.size(); at += kJournalBlockBytes) {
    const std::optional<Frame> frame = scanner.PeekAt(at);
    if (!frame || frame->txid <= ToInt(contents.last)) continue;
    const bool begun_later = frame->index == 0 && frame->txid > missing;
    const bool same_write =
        frame->index > 0 && (frame->batch_first() == missing || frame->run == contents.last_run);
    if (!begun_later && !same_write) continue;
    const bool within_limit = scanner.checked_bytes() <= limit;
    if (!begun_later && !within_limit) continue;
    const bool valid = within_limit && scanner.ChecksumMatches(*frame);
    if (begun_later && (valid || !within_limit)) {
      return absl::DataLossError(absl::StrCat("damaged at offset ", missing_at, ": edit ", missing,
                                              " does not read back, but edit ", frame->txid,
                                              " at offset ", at, " was written after edit ",
                                              frame->txid - 1, " had been durable"));
    }
    if (valid) torn_end = std::max(torn_end, RoundUpToBlock(frame->end()));
  }
  if (torn_end > missing_at) {
    contents.torn =
        TornTail{.offset = missing_at, .bytes = torn_end - missing_at, .txid = TxId{missing}};
  }
  return absl::OkStatus();
}

}  // namespace

void EncodeSegmentHeader(const SegmentHeader& header,
                         std::span<std::byte, kJournalBlockBytes> out) {
  CHECK_LE(header.cluster_id.size(), kMaxClusterIdBytes);
  std::fill(out.begin(), out.end(), std::byte{0});
  std::memcpy(out.data(), kMagic, sizeof kMagic);
  Put32(&out[kVersionAt], kVersion);
  Put32(&out[kStateAt], static_cast<uint32_t>(header.state));
  Put64(&out[kSegmentBytesAt], header.segment_bytes);
  Put64(&out[kFirstTxidAt], ToInt(header.first));
  Put64(&out[kEpochAt], header.epoch);
  Put64(&out[kCreatedAt], static_cast<uint64_t>(absl::ToUnixMicros(header.created)));
  std::memcpy(&out[kClusterIdAt], header.cluster_id.data(), header.cluster_id.size());
  Put32(&out[kHeaderCrcAt], Crc32c(out.first(kHeaderCrcAt)));
}

absl::StatusOr<SegmentHeader> ParseSegmentHeader(std::span<const std::byte> bytes) {
  if (bytes.size() < kJournalBlockBytes) {
    return absl::DataLossError(
        absl::StrCat("damaged at offset 0: ", bytes.size(), " bytes hold no segment header"));
  }
  bytes = bytes.first(kJournalBlockBytes);
  if (AllZero(bytes)) return absl::NotFoundError("no segment header: the block is all zeros");
  if (std::memcmp(bytes.data(), kMagic, sizeof kMagic) != 0) {
    return absl::DataLossError("damaged at offset 0: not a journal segment (wrong magic)");
  }
  // The version comes before the checksum: a newer format may keep that elsewhere.
  const uint32_t version = Get32(&bytes[kVersionAt]);
  if (version > kVersion) {
    return absl::UnimplementedError(
        absl::StrCat("journal format version ", version, "; this program reads up to ", kVersion));
  }
  const uint32_t state = Get32(&bytes[kStateAt]);
  if (Get32(&bytes[kHeaderCrcAt]) != Crc32c(bytes.first(kHeaderCrcAt)) || version == 0 ||
      !AllZero(bytes.subspan(kHeaderBytes))) {
    return absl::DataLossError("damaged at offset 0: segment header checksum does not match");
  }
  if (state != static_cast<uint32_t>(SegmentHeader::State::kLive) &&
      state != static_cast<uint32_t>(SegmentHeader::State::kSpare)) {
    return absl::DataLossError(absl::StrCat("damaged at offset 0: unknown state ", state));
  }
  SegmentHeader header{
      .state = static_cast<SegmentHeader::State>(state),
      .segment_bytes = Get64(&bytes[kSegmentBytesAt]),
      .first = TxId{Get64(&bytes[kFirstTxidAt])},
      .epoch = Get64(&bytes[kEpochAt]),
      .created = absl::FromUnixMicros(static_cast<int64_t>(Get64(&bytes[kCreatedAt]))),
  };
  const absl::string_view id(reinterpret_cast<const char*>(&bytes[kClusterIdAt]),
                             kMaxClusterIdBytes);
  header.cluster_id = std::string(id.substr(0, id.find('\0')));
  const bool size_fits = header.segment_bytes >= 2 * kJournalBlockBytes &&
                         header.segment_bytes <= kMaxSegmentBytes &&
                         header.segment_bytes % kJournalBlockBytes == 0;
  const bool live = header.state == SegmentHeader::State::kLive;
  // The last txid that could follow still fits: no arithmetic on txids overflows.
  const bool first_fits =
      live ? header.first != kNoTx && ToInt(header.first) < (uint64_t{1} << 63) : true;
  if (!size_fits || !first_fits) {
    return absl::DataLossError(absl::StrCat("damaged at offset 0: impossible segment size ",
                                            header.segment_bytes, " or first txid ",
                                            ToInt(header.first)));
  }
  return header;
}

void PutFrame(TxId txid, uint32_t index_in_batch, absl::string_view edit, std::byte* out) {
  Put32(out + kLengthAt, static_cast<uint32_t>(edit.size()));
  Put64(out + kTxidAt, ToInt(txid));
  Put32(out + kIndexAt, index_in_batch);
  if (!edit.empty()) std::memcpy(out + kFrameHeaderBytes, edit.data(), edit.size());
}

size_t SealBatch(std::span<std::byte> batch, size_t used, uint64_t epoch, uint32_t run) {
  const size_t padded = RoundUpToBlock(used);
  CHECK_LE(padded, batch.size());
  const uint32_t epoch_crc = EpochCrc(epoch);
  for (size_t at = 0; at < used;) {
    std::byte* const frame = batch.data() + at;
    const size_t frame_bytes = kFrameHeaderBytes + Get32(frame + kLengthAt);
    CHECK_LE(frame_bytes, used - at);
    Put32(frame + kRunAt, run);
    Put32(frame + kCrcAt,
          Crc32cExtend(epoch_crc, std::span(frame + kLengthAt, frame_bytes - kLengthAt)));
    at += frame_bytes;
  }
  std::memset(batch.data() + used, 0, padded - used);
  return padded;
}

absl::StatusOr<SegmentContents> ReadSegment(std::span<const std::byte> bytes) {
  SegmentContents contents;
  ASSIGN_OR_RETURN(contents.header, ParseSegmentHeader(bytes));
  if (contents.header.state != SegmentHeader::State::kLive) {
    return absl::InvalidArgumentError("a spare segment holds no edits");
  }
  if (contents.header.segment_bytes != bytes.size()) {
    return absl::DataLossError(absl::StrCat("damaged at offset ", bytes.size(), ": the file has ",
                                            bytes.size(), " bytes, its header says ",
                                            contents.header.segment_bytes));
  }
  Scanner scanner(bytes, contents.header.epoch);
  uint64_t end = 0;
  ReadLog(bytes, scanner, kJournalBlockBytes, ToInt(contents.header.first), contents, end);
  RETURN_IF_ERROR(JudgeEnd(bytes, scanner, end, contents));
  return contents;
}

absl::StatusOr<SalvagedSegment> SalvageSegment(std::span<const std::byte> bytes) {
  SalvagedSegment salvaged;
  ASSIGN_OR_RETURN(salvaged.header, ParseSegmentHeader(bytes));
  if (salvaged.header.state != SegmentHeader::State::kLive) {
    return absl::InvalidArgumentError("a spare segment holds no edits");
  }
  Scanner scanner(bytes, salvaged.header.epoch);
  const uint64_t limit = 8 * bytes.size();
  uint64_t next = ToInt(salvaged.header.first);
  uint64_t at = kJournalBlockBytes;
  while (at < bytes.size() && scanner.checked_bytes() <= limit) {
    // Only a batch's first frame lies at a boundary; txids only grow.
    const std::optional<Frame> frame = scanner.PeekAt(at);
    if (!frame || frame->index != 0 || frame->txid < next) {
      at += kJournalBlockBytes;
      continue;
    }
    SegmentContents contents;
    uint64_t end = at;
    ReadLog(bytes, scanner, at, frame->txid, contents, end);
    if (contents.edits.empty()) {
      at += kJournalBlockBytes;
      continue;
    }
    next = frame->txid + contents.edits.size();
    at = RoundUpToBlock(end);
    salvaged.runs.push_back({.edits = std::move(contents.edits), .end_offset = end});
  }
  return salvaged;
}

}  // namespace cairn::namenode
