#include "namenode/journal/journal_reader.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <span>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "namenode/journal/aligned_buffer.h"
#include "namenode/journal/segment.h"
#include "namenode/journal/segment_files.h"

namespace cairn::namenode {
namespace {

struct Candidate {
  std::string path;
  TxId first = kNoTx;
  std::string cluster_id;
  absl::Status bad_header;  // then `first` is what the name says
};

// Where the edit after the one that ends at `end` is to be looked for: right there, or at the next
// block, if only padding lies between.
uint64_t NextPlace(std::span<const std::byte> bytes, uint64_t end) {
  const uint64_t boundary = std::min<uint64_t>(RoundUpToBlock(end), bytes.size());
  const auto rest = bytes.subspan(end, boundary - end);
  const bool padding =
      std::all_of(rest.begin(), rest.end(), [](std::byte b) { return b == std::byte{0}; });
  return padding ? boundary : end;
}

std::string BaseName(const std::string& path) { return path.substr(path.rfind('/') + 1); }

class Reader {
 public:
  Reader(FileSystem& fs, TxId from, const JournalVisitor& visitor)
      : fs_(fs), from_(from), visitor_(visitor) {}

  absl::Status Add(const std::string& path, bool may_vanish) {
    const auto file = fs_.Open(path, {});
    if (may_vanish && absl::IsNotFound(file.status())) return absl::OkStatus();
    RETURN_IF_ERROR(file.status());
    const AlignedBuffer block(kJournalBlockBytes);
    ASSIGN_OR_RETURN(const size_t count, (*file)->ReadAt(0, block.span()));
    const auto name = ParseSegmentName(BaseName(path));
    const auto header = ParseSegmentHeader(block.span().first(count));
    if (header.ok()) {
      if (header->state == SegmentHeader::State::kLive) {
        candidates_.push_back({path, header->first, header->cluster_id, absl::OkStatus()});
      }
    } else if (!name.has_value()) {
      return absl::Status(header.status().code(),
                          absl::StrCat(path, ": ", header.status().message()));
    } else if (!name->is_spare) {
      // A spare whose making was cut off is no damage.
      candidates_.push_back({path, TxId{name->number}, "", header.status()});
    }
    return absl::OkStatus();
  }

  absl::StatusOr<JournalExtent> Run() {
    std::sort(candidates_.begin(), candidates_.end(),
              [](const Candidate& a, const Candidate& b) { return a.first < b.first; });
    for (size_t i = 0; i < candidates_.size(); ++i) {
      const bool last = i + 1 == candidates_.size();
      if (!last && candidates_[i + 1].first <= from_) continue;  // nothing wanted in it
      RETURN_IF_ERROR(ReadOne(candidates_[i], last ? kNoTx : candidates_[i + 1].first));
    }
    for (const Candidate& candidate : candidates_) {
      if (extent_.cluster_id.empty()) extent_.cluster_id = candidate.cluster_id;
    }
    if (!candidates_.empty()) {
      extent_.first = candidates_.front().first;
      extent_.newest_first = candidates_.back().first;
    }
    return extent_;
  }

 private:
  // `next_first`: where the next segment begins; kNoTx: this is the last.
  absl::Status ReadOne(const Candidate& segment, TxId next_first) {
    if (next_ == 0) next_ = ToInt(segment.first);
    if (!segment.bad_header.ok()) {
      return Missing(segment.path, 0, next_first, std::string(segment.bad_header.message()));
    }
    const auto file = fs_.Open(segment.path, {});
    if (absl::IsNotFound(file.status()) && extent_.last == kNoTx) {
      next_ = 0;  // the oldest: the namenode has taken it away meanwhile
      return absl::OkStatus();
    }
    RETURN_IF_ERROR(file.status());
    ASSIGN_OR_RETURN(const uint64_t size, (*file)->Size());
    if (size > kMaxSegmentBytes) {
      return Missing(segment.path, 0, next_first, absl::StrCat("the file has ", size, " bytes"));
    }
    if (buffer_.size() < size) buffer_ = AlignedBuffer(RoundUpToBlock(size));
    ASSIGN_OR_RETURN(const size_t count, (*file)->ReadAt(0, buffer_.span().first(size)));
    const auto bytes = buffer_.span().first(count);
    const absl::StatusOr<SalvagedSegment> salvaged = SalvageSegment(bytes);
    if (absl::IsInvalidArgument(salvaged.status()) && extent_.last == kNoTx) {
      next_ = 0;  // given back meanwhile
      return absl::OkStatus();
    }
    RETURN_IF_ERROR(salvaged.status());
    uint64_t end = kJournalBlockBytes;
    for (const SegmentRun& run : salvaged->runs) {
      const TxId begins = run.edits.front().txid;
      if (ToInt(begins) > next_) {
        RETURN_IF_ERROR(
            Missing(segment.path, NextPlace(bytes, end), begins, "they do not read back"));
      }
      for (const Edit& edit : run.edits) {
        if (ToInt(edit.txid) < next_) continue;  // of an overlap: read already
        next_ = ToInt(edit.txid) + 1;
        extent_.last = edit.txid;
        if (edit.txid < from_) continue;
        RETURN_IF_ERROR(visitor_.on_edit({edit.txid, edit.data, segment.path, edit.offset}));
      }
      end = run.end_offset;
    }
    if (size < salvaged->header.segment_bytes) {
      return Missing(segment.path, size, next_first,
                     absl::StrCat("the file has ", size, " bytes, its header says ",
                                  salvaged->header.segment_bytes));
    }
    if (next_first != kNoTx && ToInt(next_first) > next_) {
      return Missing(segment.path, NextPlace(bytes, end), next_first,
                     "they are damaged, or a segment is missing");
    }
    return absl::OkStatus();
  }

  // The edits from next_ to before `until` cannot be read; kNoTx: nor does anything follow.
  absl::Status Missing(const std::string& file, uint64_t offset, TxId until, std::string what) {
    JournalDamage damage{
        .file = file, .offset = offset, .from = TxId{next_}, .what = std::move(what)};
    if (until != kNoTx) damage.to = TxId{std::max(ToInt(until), next_) - 1};
    const bool wanted = until == kNoTx || until > from_;
    if (until != kNoTx) next_ = std::max(next_, ToInt(until));
    if (damage.from < from_ && damage.to >= from_) damage.from = from_;
    return wanted ? visitor_.on_damage(damage) : absl::OkStatus();
  }

  FileSystem& fs_;
  const TxId from_;
  const JournalVisitor& visitor_;
  std::vector<Candidate> candidates_;
  AlignedBuffer buffer_;
  uint64_t next_ = 0;  // 0: no segment has been read
  JournalExtent extent_;
};

}  // namespace

std::string JournalDamage::Describe() const {
  std::string edits;
  if (to == kNoTx) {
    edits = absl::StrCat("edits from ", ToInt(from), " on");
  } else if (to < from) {
    edits = "no edit that is known of";
  } else {
    edits = absl::StrCat("edits ", ToInt(from), " to ", ToInt(to));
  }
  return absl::StrCat(file, ": damaged at offset ", offset, ": ", edits, ": ", what);
}

absl::StatusOr<JournalExtent> ReadJournalFiles(FileSystem& fs,
                                               const std::vector<std::string>& paths, TxId from,
                                               const JournalVisitor& visitor) {
  Reader reader(fs, from, visitor);
  for (const std::string& path : paths) RETURN_IF_ERROR(reader.Add(path, /*may_vanish=*/false));
  return reader.Run();
}

absl::StatusOr<JournalExtent> ReadJournalDirectory(FileSystem& fs, const std::string& directory,
                                                   TxId from, const JournalVisitor& visitor) {
  ASSIGN_OR_RETURN(const std::vector<std::string> names, fs.List(directory));
  Reader reader(fs, from, visitor);
  for (const std::string& name : names) {
    if (!ParseSegmentName(name).has_value()) continue;
    RETURN_IF_ERROR(reader.Add(absl::StrCat(directory, "/", name), /*may_vanish=*/true));
  }
  return reader.Run();
}

}  // namespace cairn::namenode
