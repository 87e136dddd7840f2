// Formatting and opening a journal directory: what is in it, is it whole, where does it go on.
//
// Nothing is changed before everything that is needed has been read and judged.
#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/random/random.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/crash_point.h"
#include "common/logging.h"
#include "common/status_macros.h"
#include "namenode/journal/file_journal.h"
#include "namenode/journal/segment.h"

namespace cairn::namenode {
namespace {

constexpr absl::string_view kFormatTemporary = "format.tmp";

absl::Status Annotate(const absl::Status& status, absl::string_view path) {
  return absl::Status(status.code(), absl::StrCat("journal ", path, ": ", status.message()));
}

absl::StatusOr<std::vector<std::string>> ListJournalFiles(FileSystem& fs,
                                                          const std::string& directory) {
  ASSIGN_OR_RETURN(std::vector<std::string> names, fs.List(directory));
  const auto foreign = [](const std::string& name) { return !ParseSegmentName(name).has_value(); };
  for (const std::string& name : names) {
    // Of a journal in several directories (mirrored_journal.h).
    if (absl::StartsWith(name, "copies") || absl::StartsWith(name, "aside-")) continue;
    if (foreign(name)) LOG_WARN("journal {}: {} is not a journal file, ignored", directory, name);
  }
  names.erase(std::remove_if(names.begin(), names.end(), foreign), names.end());
  std::sort(names.begin(), names.end());
  return names;
}

struct LiveFile {
  std::string path;
  uint64_t size = 0;
  SegmentHeader header;
};

struct SpareFile {
  std::string path;
  bool named_spare = true;
  bool usable = false;  // prepared, and of the size wanted now; else it is removed
};

// All files, by what their headers say.
struct Inventory {
  std::vector<LiveFile> live;  // ascending by first txid
  std::vector<SpareFile> spares;
  uint64_t next_spare = 1;
};

class Opener {
 public:
  Opener(FileSystem& fs, Clock& clock, JournalOptions options)
      : fs_(fs), clock_(clock), options_(std::move(options)) {}

  absl::StatusOr<std::unique_ptr<Journal>> Open(TxId applied, TxId from,
                                                const ReplayFunction& replay);

 private:
  absl::Status TakeInventory();
  absl::Status AddToInventory(const std::string& name);
  absl::Status CheckIdentity() const;
  // Reads segments[index] whole, into buffer_.
  absl::StatusOr<SegmentContents> Read(size_t index);
  absl::Status ReplaySegments(TxId applied, TxId from, const ReplayFunction& replay);
  absl::Status CheckJoint(size_t index, TxId last) const;
  absl::Status Harden();
  absl::StatusOr<std::vector<PreparedSegment>> PrepareSpares();

  FileSystem& fs_;
  Clock& clock_;
  const JournalOptions options_;
  Inventory found_;
  AlignedBuffer buffer_;
  // About the last segment, once it is read.
  TxId last_ = kNoTx;
  uint64_t end_offset_ = 0;
  uint32_t last_run_ = 0;
};

absl::Status Opener::TakeInventory() {
  const auto names = ListJournalFiles(fs_, options_.directory);
  const absl::string_view advice = "; format the namenode first (cairn namenode -format)";
  if (absl::IsNotFound(names.status())) {
    return absl::FailedPreconditionError(
        absl::StrCat("journal directory ", options_.directory, " does not exist", advice));
  }
  RETURN_IF_ERROR(names.status());
  if (names->empty()) {
    return absl::FailedPreconditionError(
        absl::StrCat("journal directory ", options_.directory, " is not formatted", advice));
  }
  for (const std::string& name : *names) RETURN_IF_ERROR(AddToInventory(name));
  std::sort(found_.live.begin(), found_.live.end(),
            [](const LiveFile& a, const LiveFile& b) { return a.header.first < b.header.first; });
  return CheckIdentity();
}

absl::Status Opener::AddToInventory(const std::string& name) {
  const std::string path = absl::StrCat(options_.directory, "/", name);
  const SegmentName parsed = *ParseSegmentName(name);
  if (parsed.is_spare) found_.next_spare = std::max(found_.next_spare, parsed.number + 1);
  ASSIGN_OR_RETURN(const std::unique_ptr<File> file,
                   fs_.Open(path, {.direct = options_.direct_io}));
  ASSIGN_OR_RETURN(const uint64_t size, file->Size());
  const AlignedBuffer block(kJournalBlockBytes);
  ASSIGN_OR_RETURN(const size_t count, file->ReadAt(0, block.span()));
  const auto header = ParseSegmentHeader(block.span().first(count));
  // A crash while a spare was being made leaves it short or without its header. Never one that
  // held edits: the header is one sector, so it is the old one or the new.
  const bool unfinished = absl::IsNotFound(header.status()) || count < kJournalBlockBytes;
  if (parsed.is_spare && unfinished) {
    found_.spares.push_back({.path = path, .usable = false});
    return absl::OkStatus();
  }
  if (absl::IsNotFound(header.status())) {
    return Annotate(absl::DataLossError(absl::StrCat(
                        "damaged at offset 0: the segment header is zeros; by its name it begins "
                        "with edit ",
                        parsed.number)),
                    path);
  }
  if (!header.ok()) return Annotate(header.status(), path);
  if (header->state == SegmentHeader::State::kSpare) {
    found_.spares.push_back(
        {.path = path, .usable = size == options_.segment_bytes && header->segment_bytes == size});
  } else {
    found_.live.push_back({.path = path, .size = size, .header = *header});
  }
  return absl::OkStatus();
}

absl::Status Opener::CheckIdentity() const {
  if (found_.live.empty()) {
    return absl::DataLossError(
        absl::StrCat("journal directory ", options_.directory,
                     " has spare segments but none with edits: files are missing"));
  }
  for (size_t i = 0; i < found_.live.size(); ++i) {
    const LiveFile& file = found_.live[i];
    if (!options_.cluster_id.empty() && file.header.cluster_id != options_.cluster_id) {
      return Annotate(
          absl::FailedPreconditionError(absl::StrCat("belongs to cluster ", file.header.cluster_id,
                                                     ", this namenode to ", options_.cluster_id)),
          file.path);
    }
    if (i > 0 && found_.live[i - 1].header.first == file.header.first) {
      return Annotate(
          absl::DataLossError(absl::StrCat("begins with edit ", ToInt(file.header.first),
                                           ", as does ", found_.live[i - 1].path)),
          file.path);
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<SegmentContents> Opener::Read(size_t index) {
  const LiveFile& segment = found_.live[index];
  if (segment.size != segment.header.segment_bytes) {
    return Annotate(absl::DataLossError(absl::StrCat(
                        "damaged at offset ", segment.size, ": the file has ", segment.size,
                        " bytes, its header says ", segment.header.segment_bytes,
                        "; it begins with edit ", ToInt(segment.header.first))),
                    segment.path);
  }
  if (buffer_.size() < segment.size) buffer_ = AlignedBuffer(segment.size);
  ASSIGN_OR_RETURN(const std::unique_ptr<File> file,
                   fs_.Open(segment.path, {.direct = options_.direct_io}));
  const auto bytes = buffer_.span().first(segment.size);
  ASSIGN_OR_RETURN(const size_t count, file->ReadAt(0, bytes));
  auto contents = ReadSegment(bytes.first(count));
  if (!contents.ok()) return Annotate(contents.status(), segment.path);
  return contents;
}

// Segment `index`, which ends with edit `last`, is continued by the one after it.
absl::Status Opener::CheckJoint(size_t index, TxId last) const {
  const LiveFile& segment = found_.live[index];
  const LiveFile& next = found_.live[index + 1];
  if (ToInt(next.header.first) == ToInt(last) + 1) return absl::OkStatus();
  return Annotate(absl::DataLossError(absl::StrCat(
                      "ends with edit ", ToInt(last), ", but the next segment, ", next.path,
                      ", begins with edit ", ToInt(next.header.first),
                      ": the edits between are damaged here, or a segment is missing")),
                  segment.path);
}

absl::Status Opener::ReplaySegments(TxId applied, TxId from, const ReplayFunction& replay) {
  const size_t count = found_.live.size();
  if (ToInt(found_.live[0].header.first) > ToInt(applied) + 1) {
    return Annotate(
        absl::DataLossError(absl::StrCat(
            "is the oldest segment and begins with edit ", ToInt(found_.live[0].header.first),
            ", but the store needs edit ", ToInt(applied) + 1, ": a segment is missing")),
        found_.live[0].path);
  }
  for (size_t i = 0; i < count; ++i) {
    const bool is_last = i + 1 == count;
    if (!is_last && found_.live[i + 1].header.first <= from) continue;  // nothing wanted in it
    ASSIGN_OR_RETURN(const SegmentContents contents, Read(i));
    if (is_last) {
      last_ = contents.last;
      end_offset_ = contents.end_offset;
      last_run_ = contents.last_run;
      if (contents.torn) {
        LOG_WARN(
            "journal {}: torn tail cut off at offset {}: edit {} is not whole; {} bytes of the "
            "last, unacknowledged write are dropped",
            found_.live[i].path, contents.torn->offset, ToInt(contents.torn->txid),
            contents.torn->bytes);
      }
      if (last_ < applied) {
        return Annotate(absl::DataLossError(absl::StrCat(
                            "the journal ends with edit ", ToInt(last_), " at offset ", end_offset_,
                            ", but the store already holds edit ", ToInt(applied))),
                        found_.live[i].path);
      }
      RETURN_IF_ERROR(Harden());
    } else {
      RETURN_IF_ERROR(CheckJoint(i, contents.last));
    }
    for (const Edit& edit : contents.edits) {
      if (edit.txid >= from) RETURN_IF_ERROR(replay(edit.txid, edit.data));
    }
  }
  return absl::OkStatus();
}

// What was read may still be in the device's cache only, if the process was killed during the
// write: it must be durable before anybody is shown it.
absl::Status Opener::Harden() {
  ASSIGN_OR_RETURN(const std::unique_ptr<File> file,
                   fs_.Open(found_.live.back().path, CommitOpenOptions(options_)));
  RETURN_IF_ERROR(file->SyncData());
  return fs_.SyncDirectory(options_.directory);
}

absl::StatusOr<std::vector<PreparedSegment>> Opener::PrepareSpares() {
  std::vector<PreparedSegment> ready;
  for (const SpareFile& spare : found_.spares) {
    if (!spare.usable) {
      RETURN_IF_ERROR(fs_.Remove(spare.path));
      continue;
    }
    // One that was being given back may still carry its old name, which another could come to need.
    std::string path = spare.path;
    if (!spare.named_spare) {
      path = SparePath(options_.directory, found_.next_spare++);
      RETURN_IF_ERROR(fs_.Rename(spare.path, path));
    }
    ASSIGN_OR_RETURN(std::unique_ptr<File> file, fs_.Open(path, CommitOpenOptions(options_)));
    // Its process may have been killed before the spare header was durable. Should the old header
    // come back after newer segments were given back too, the log would have a gap.
    RETURN_IF_ERROR(file->SyncData());
    ready.push_back({.path = std::move(path), .file = std::move(file)});
  }
  if (!found_.spares.empty()) RETURN_IF_ERROR(fs_.SyncDirectory(options_.directory));
  if (ready.empty()) {
    // Now, so that Ready() is right from the start. A full disk is the pool's business.
    auto spare = CreateSpare(fs_, options_, SparePath(options_.directory, found_.next_spare++));
    if (spare.ok()) {
      ready.push_back(*std::move(spare));
    } else if (!absl::IsResourceExhausted(spare.status())) {
      return spare.status();
    }
  }
  return ready;
}

absl::StatusOr<std::unique_ptr<Journal>> Opener::Open(TxId applied, TxId from,
                                                      const ReplayFunction& replay) {
  RETURN_IF_ERROR(CheckOptions(options_));
  if (ToInt(from) > ToInt(applied) + 1) {
    return absl::InvalidArgumentError(absl::StrCat("journal: replay from ", ToInt(from),
                                                   " would skip edits after ", ToInt(applied)));
  }
  RETURN_IF_ERROR(TakeInventory());
  RETURN_IF_ERROR(ReplaySegments(applied, from, replay));
  ASSIGN_OR_RETURN(std::vector<PreparedSegment> ready, PrepareSpares());

  std::vector<KeptSegment> kept;
  for (size_t i = 0; i < found_.live.size(); ++i) {
    const LiveFile& file = found_.live[i];
    const bool current = i + 1 == found_.live.size();
    kept.push_back({.path = file.path,
                    .first = file.header.first,
                    .bytes = file.size,
                    .finished = !current,
                    .last = current ? kNoTx : TxId{ToInt(found_.live[i + 1].header.first) - 1},
                    .finished_at = clock_.Monotonic()});
  }
  const LiveFile& last = found_.live.back();
  CurrentSegment current{.path = last.path,
                         .file = nullptr,
                         .bytes = last.size,
                         .epoch = last.header.epoch,
                         .offset = end_offset_};
  ASSIGN_OR_RETURN(current.file, fs_.Open(last.path, CommitOpenOptions(options_)));
  JournalOptions options = options_;
  if (options.cluster_id.empty()) options.cluster_id = last.header.cluster_id;
  // What the torn write left behind the end carries the run of its writer. With another run of our
  // own it can never be taken for a part of what is written over it.
  absl::BitGen random;
  uint32_t run = last_run_;
  while (run == last_run_) run = absl::Uniform<uint32_t>(random);
  auto pool = std::make_unique<SegmentPool>(fs_, clock_, options, std::move(kept), std::move(ready),
                                            found_.next_spare);
  LOG_INFO("journal {}: opened, edits {} to {}", options_.directory,
           ToInt(found_.live.front().header.first), ToInt(last_));
  return std::make_unique<FileJournal>(clock_, options, std::move(current), last_, run,
                                       std::move(pool));
}

absl::Status WriteFormatted(FileSystem& fs, Clock& clock, const JournalOptions& options, TxId first,
                            const std::string& temporary) {
  ASSIGN_OR_RETURN(
      const std::unique_ptr<File> file,
      fs.Open(temporary,
              {.create = true, .exclusive = true, .write = true, .direct = options.direct_io}));
  RETURN_IF_ERROR(file->Allocate(0, options.segment_bytes));
  absl::BitGen random;
  const AlignedBuffer block(kJournalBlockBytes);
  EncodeSegmentHeader({.state = SegmentHeader::State::kLive,
                       .segment_bytes = options.segment_bytes,
                       .first = first,
                       .epoch = absl::Uniform<uint64_t>(random),
                       .created = clock.Now(),
                       .cluster_id = options.cluster_id},
                      std::span<std::byte, kJournalBlockBytes>(block.data(), kJournalBlockBytes));
  RETURN_IF_ERROR(file->WriteAt(0, block.span()));
  return file->SyncData();
}

}  // namespace

absl::Status FormatFileJournal(FileSystem& fs, Clock& clock, const JournalOptions& options,
                               TxId first) {
  RETURN_IF_ERROR(CheckOptions(options));
  if (first == kNoTx) return absl::InvalidArgumentError("journal: the first edit cannot be 0");
  RETURN_IF_ERROR(fs.MakeDirectories(options.directory));
  const std::string temporary = absl::StrCat(options.directory, "/", kFormatTemporary);
  if (fs.Exists(temporary)) RETURN_IF_ERROR(fs.Remove(temporary));  // of a format that was cut off
  ASSIGN_OR_RETURN(const std::vector<std::string> names, ListJournalFiles(fs, options.directory));
  if (!names.empty()) {
    return absl::AlreadyExistsError(absl::StrCat("journal directory ", options.directory,
                                                 " is formatted already: it holds ", names[0]));
  }
  RETURN_IF_ERROR(WriteFormatted(fs, clock, options, first, temporary));
  CRASH_POINT("journal_before_format_rename");
  RETURN_IF_ERROR(fs.Rename(temporary, SegmentPath(options.directory, first)));
  return fs.SyncDirectory(options.directory);
}

absl::StatusOr<std::unique_ptr<Journal>> OpenFileJournal(FileSystem& fs, Clock& clock,
                                                         JournalOptions options, TxId applied,
                                                         TxId from, const ReplayFunction& replay) {
  return Opener(fs, clock, std::move(options)).Open(applied, from, replay);
}

}  // namespace cairn::namenode
