#include "namenode/store/leveldb_check.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <optional>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/crc32c.h"
#include "common/status_macros.h"

namespace cairn::namenode {
namespace {

// LevelDB's log format: blocks of 32 KiB; in them fragments of masked CRC32C (4 bytes, over type
// and payload), length (2), type (1), payload. A rest of under 7 bytes in a block is unused.
constexpr size_t kBlockBytes = 32 << 10;
constexpr size_t kHeaderBytes = 7;
enum FragmentType : uint8_t { kZero = 0, kFull = 1, kFirst = 2, kMiddle = 3, kLast = 4 };
// A batch begins with its first sequence number (8 bytes) and its count of records (4).
constexpr size_t kBatchHeaderBytes = 12;
constexpr uint64_t kMaxManifestBytes = 1 << 30;
constexpr uint32_t kLevels = 7;

uint32_t LittleEndian32(const char* bytes) {
  uint32_t value;
  std::memcpy(&value, bytes, sizeof(value));
  return value;
}
uint64_t LittleEndian64(const char* bytes) {
  uint64_t value;
  std::memcpy(&value, bytes, sizeof(value));
  return value;
}

uint32_t Unmask(uint32_t masked) {
  const uint32_t rotated = masked - 0xa282ead8u;
  return (rotated >> 17) | (rotated << 15);
}

// The fragment that begins at `bytes`, or why there is none.
struct Fragment {
  uint8_t type = kZero;
  absl::string_view payload;
  const char* bad = nullptr;
};

Fragment ReadFragment(absl::string_view bytes) {
  if (bytes.size() < kHeaderBytes) return {.bad = "a header is cut short"};
  const size_t length =
      static_cast<uint8_t>(bytes[4]) | static_cast<size_t>(static_cast<uint8_t>(bytes[5])) << 8;
  const uint8_t type = static_cast<uint8_t>(bytes[6]);
  if (type == kZero || type > kLast) return {.bad = "no record type"};
  if (length > bytes.size() - kHeaderBytes) return {.bad = "length beyond its block or the file"};
  const absl::string_view covered = bytes.substr(6, 1 + length);
  if (Crc32c(std::as_bytes(std::span<const char>(covered.data(), covered.size()))) !=
      Unmask(LittleEndian32(bytes.data()))) {
    return {.bad = "checksum mismatch"};
  }
  return {type, bytes.substr(kHeaderBytes, length), nullptr};
}

bool Begins(const Fragment& fragment) {
  return fragment.bad == nullptr && (fragment.type == kFull || fragment.type == kFirst);
}

// Where the first record at or after `from` begins in a block in which a fragment was bad: its
// length cannot be trusted, so every byte is tried.
std::optional<size_t> FindBeginning(absl::string_view block, size_t from) {
  for (; from + kHeaderBytes <= block.size(); ++from) {
    const uint8_t type = static_cast<uint8_t>(block[from + 6]);
    if (type != kFull && type != kFirst) continue;
    if (Begins(ReadFragment(block.substr(from)))) return from;
  }
  return std::nullopt;
}

// Whether any record begins after the damage at `block_offset` + `bad`.
absl::Status LookBeyond(ReadAtFn read, uint64_t block_offset, size_t bad, LogEnd* end) {
  std::string buffer(kBlockBytes, '\0');
  for (size_t from = bad + 1;; block_offset += kBlockBytes, from = 0) {
    ASSIGN_OR_RETURN(const size_t got,
                     read(block_offset, std::as_writable_bytes(std::span<char>(buffer))));
    const absl::string_view block(buffer.data(), got);
    // Later blocks begin with a fragment, so that they need no search while they are sound.
    size_t at = from;
    while (from == 0 && at + kHeaderBytes <= block.size()) {
      const Fragment fragment = ReadFragment(block.substr(at));
      if (fragment.bad != nullptr || Begins(fragment)) break;
      at += kHeaderBytes + fragment.payload.size();
    }
    if (const auto found = FindBeginning(block, at)) {
      end->record_after = true;
      end->after_offset = block_offset + *found;
      return absl::OkStatus();
    }
    if (got < kBlockBytes) return absl::OkStatus();
  }
}

bool GetVarint(absl::string_view* in, uint64_t* value) {
  *value = 0;
  for (int shift = 0; shift < 64 && !in->empty(); shift += 7) {
    const uint8_t byte = static_cast<uint8_t>(in->front());
    in->remove_prefix(1);
    *value |= static_cast<uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) return true;
  }
  return false;
}

bool SkipBytes(absl::string_view* in) {
  uint64_t size;
  if (!GetVarint(in, &size) || size > in->size()) return false;
  in->remove_prefix(size);
  return true;
}

bool GetLevel(absl::string_view* in, uint64_t* level) {
  return GetVarint(in, level) && *level < kLevels;
}

absl::Status Damage(absl::string_view path, absl::string_view what) {
  return absl::DataLossError(absl::StrCat("store: ", path, ": ", what));
}

// Cuts a torn last record off.
absl::Status CutTail(FileSystem& files, const std::string& path, const LogEnd& end,
                     LevelDbCheck* check) {
  ASSIGN_OR_RETURN(const auto file, files.Open(path, {.write = true}));
  ASSIGN_OR_RETURN(const uint64_t size, file->Size());
  RETURN_IF_ERROR(file->Truncate(end.whole_bytes));
  RETURN_IF_ERROR(file->SyncData());
  check->cuts.push_back(absl::StrCat(path, ": cut from ", size, " to ", end.whole_bytes,
                                     " bytes, the last record is not whole (offset ",
                                     end.bad_offset, ": ", end.reason, ")"));
  return absl::OkStatus();
}

// A finding that may still turn out to be harmless becomes final only when nothing else is wrong.
struct PlannedCut {
  std::string path;
  LogEnd end;
};

absl::Status RefuseUnlessTorn(const std::string& path, const LogEnd& end) {
  if (end.clean || !end.record_after) return absl::OkStatus();
  return Damage(path, absl::StrCat("damaged at offset ", end.bad_offset, ": ", end.reason,
                                   "; a later record begins at offset ", end.after_offset));
}

class Checker {
 public:
  Checker(FileSystem& files, const std::string& directory) : files_(files), directory_(directory) {}

  absl::StatusOr<LevelDbCheck> Run(bool may_cut) {
    ASSIGN_OR_RETURN(const std::vector<std::string> names, files_.List(directory_));
    for (const std::string& name : names) names_.insert(name);
    RETURN_IF_ERROR(ReadManifest());
    RETURN_IF_ERROR(CheckTables());
    RETURN_IF_ERROR(CheckLogs());
    for (const PlannedCut& cut : cuts_) {
      if (!may_cut) {
        return Damage(cut.path, absl::StrCat("the last record is not whole (offset ",
                                             cut.end.bad_offset, ": ", cut.end.reason, ")"));
      }
      RETURN_IF_ERROR(CutTail(files_, cut.path, cut.end, &result_));
    }
    return std::move(result_);
  }

 private:
  std::string Path(absl::string_view name) const { return absl::StrCat(directory_, "/", name); }

  bool HoldsData() const {
    return std::any_of(names_.begin(), names_.end(), [](const std::string& name) {
      return absl::StartsWith(name, "MANIFEST-") || absl::EndsWith(name, ".ldb") ||
             absl::EndsWith(name, ".log");
    });
  }

  absl::Status ReadManifest() {
    const std::string current_path = Path("CURRENT");
    if (names_.count("CURRENT") == 0) {
      if (HoldsData()) return Damage(current_path, "missing, although there are other files");
      return absl::FailedPreconditionError(absl::StrCat("store ", directory_, " is not formatted"));
    }
    auto contents = files_.ReadAll(current_path, 1024);
    if (absl::IsInvalidArgument(contents.status())) return Damage(current_path, "is too long");
    ASSIGN_OR_RETURN(std::string current, std::move(contents));
    uint64_t number;
    if (!absl::EndsWith(current, "\n") || !absl::StartsWith(current, "MANIFEST-") ||
        !absl::SimpleAtoi(current.substr(9, current.size() - 10), &number)) {
      return Damage(current_path, "does not name a MANIFEST");
    }
    current.pop_back();
    if (names_.count(current) == 0) {
      return Damage(current_path, absl::StrCat("names ", current, ", which is missing"));
    }

    const std::string path = Path(current);
    ASSIGN_OR_RETURN(const auto file, files_.Open(path, {}));
    ASSIGN_OR_RETURN(
        LogEnd end,
        ScanLevelDbLog(
            [&](uint64_t offset, std::span<std::byte> out) { return file->ReadAt(offset, out); },
            kMaxManifestBytes,
            [&](uint64_t offset, absl::string_view record) -> absl::Status {
              const absl::Status status = manifest_.Apply(record);
              if (status.ok()) return status;
              return Damage(path, absl::StrCat("offset ", offset, ": ", status.message()));
            }));
    RETURN_IF_ERROR(RefuseUnlessTorn(path, end));
    if (!end.clean) cuts_.push_back({path, std::move(end)});
    if (!manifest_.has_log_number) return Damage(path, "ends before it names a log file");
    return absl::OkStatus();
  }

  absl::Status CheckTables() {
    for (const auto& [at, bytes] : manifest_.tables) {
      // Older LevelDBs wrote .sst; still read.
      std::string name = absl::StrFormat("%06u.ldb", at.second);
      if (names_.count(name) == 0) {
        const std::string old_name = absl::StrFormat("%06u.sst", at.second);
        if (names_.count(old_name) == 0) return Damage(Path(name), "table is missing");
        name = old_name;
      }
      ASSIGN_OR_RETURN(const auto file, files_.Open(Path(name), {}));
      ASSIGN_OR_RETURN(const uint64_t size, file->Size());
      if (size != bytes) {
        return Damage(Path(name),
                      absl::StrCat("table has ", size, " bytes, the MANIFEST says ", bytes));
      }
    }
    return absl::OkStatus();
  }

  absl::Status CheckLogs() {
    std::vector<uint64_t> logs;
    for (const std::string& name : names_) {
      uint64_t number;
      if (absl::EndsWith(name, ".log") &&
          absl::SimpleAtoi(name.substr(0, name.size() - 4), &number) &&
          (number >= manifest_.log_number ||
           (number == manifest_.prev_log_number && number != 0))) {
        logs.push_back(number);
      }
    }
    std::sort(logs.begin(), logs.end());
    // LevelDB makes the log before the MANIFEST names it, and removes it after a later MANIFEST
    // record no longer does. Number 0: only a format that was cut short leaves that.
    if (manifest_.log_number != 0 &&
        !std::binary_search(logs.begin(), logs.end(), manifest_.log_number)) {
      return Damage(Path(absl::StrFormat("%06u.log", manifest_.log_number)), "log is missing");
    }
    for (size_t i = 0; i < logs.size(); ++i) {
      RETURN_IF_ERROR(CheckLog(absl::StrFormat("%06u.log", logs[i]), i + 1 == logs.size()));
    }
    return absl::OkStatus();
  }

  absl::Status CheckLog(const std::string& name, bool last) {
    const std::string path = Path(name);
    ASSIGN_OR_RETURN(const auto file, files_.Open(path, {}));
    bool any = false;
    ASSIGN_OR_RETURN(
        LogEnd end,
        ScanLevelDbLog(
            [&](uint64_t offset, std::span<std::byte> out) { return file->ReadAt(offset, out); },
            kBatchHeaderBytes,
            [&](uint64_t offset, absl::string_view head) -> absl::Status {
              if (head.size() < kBatchHeaderBytes) {
                return Damage(path, absl::StrCat("offset ", offset, ": record is no batch"));
              }
              const uint64_t sequence = LittleEndian64(head.data());
              if (next_sequence_ != 0 && sequence != next_sequence_) {
                return Damage(path, absl::StrCat("offset ", offset, ": batch has sequence number ",
                                                 sequence, ", expected ", next_sequence_,
                                                 ": a batch before it is lost"));
              }
              if (!empty_log_.empty()) {
                return Damage(empty_log_,
                              absl::StrCat("log is empty, although ", name, " follows it"));
              }
              next_sequence_ = sequence + LittleEndian32(head.data() + 8);
              any = true;
              ++result_.batches;
              return absl::OkStatus();
            }));
    RETURN_IF_ERROR(RefuseUnlessTorn(path, end));
    if (!any) empty_log_ = path;
    if (end.clean) return absl::OkStatus();
    if (!last) {
      return Damage(path, absl::StrCat("damaged at offset ", end.bad_offset, ": ", end.reason,
                                       "; later logs follow"));
    }
    cuts_.push_back({path, std::move(end)});
    return absl::OkStatus();
  }

  FileSystem& files_;
  const std::string& directory_;
  std::set<std::string> names_;
  Manifest manifest_;
  uint64_t next_sequence_ = 0;  // 0: not known yet
  std::string empty_log_;
  std::vector<PlannedCut> cuts_;
  LevelDbCheck result_;
};

}  // namespace

absl::StatusOr<LogEnd> ScanLevelDbLog(
    ReadAtFn read, size_t head_bytes,
    absl::FunctionRef<absl::Status(uint64_t offset, absl::string_view head)> record) {
  LogEnd end;
  std::string buffer(kBlockBytes, '\0');
  std::string head;
  bool inside = false;  // between a first fragment and its last
  uint64_t start = 0;
  for (uint64_t block_offset = 0;; block_offset += kBlockBytes) {
    ASSIGN_OR_RETURN(const size_t got,
                     read(block_offset, std::as_writable_bytes(std::span<char>(buffer))));
    const absl::string_view block(buffer.data(), got);
    const bool last_block = got < kBlockBytes;
    size_t at = 0;
    while (last_block ? at < got : at + kHeaderBytes <= got) {
      // Fewer bytes than a header before the end of a block are filler; the file may end in them.
      if (at + kHeaderBytes > kBlockBytes) break;
      Fragment fragment = ReadFragment(block.substr(at));
      if (fragment.bad == nullptr && inside == Begins(fragment)) {
        fragment.bad = inside ? "a record begins inside another" : "a record has no beginning";
      }
      if (fragment.bad != nullptr) {
        end.clean = false;
        end.bad_offset = block_offset + at;
        end.reason = fragment.bad;
        // A sound beginning at this very place counts: what it interrupts is lost in the middle.
        if (Begins(ReadFragment(block.substr(at)))) {
          end.record_after = true;
          end.after_offset = end.bad_offset;
          return end;
        }
        RETURN_IF_ERROR(LookBeyond(read, block_offset, at, &end));
        return end;
      }
      if (Begins(fragment)) {
        start = block_offset + at;
        head.clear();
      }
      if (head.size() < head_bytes) {
        head.append(fragment.payload.data(),
                    std::min(fragment.payload.size(), head_bytes - head.size()));
      }
      at += kHeaderBytes + fragment.payload.size();
      inside = fragment.type == kFirst || fragment.type == kMiddle;
      if (!inside) {
        RETURN_IF_ERROR(record(start, head));
        end.whole_bytes = block_offset + at;
      }
    }
    if (!last_block) continue;
    if (inside) {
      end.clean = false;
      end.bad_offset = start;
      end.reason = "the file ends inside a record";
    }
    return end;
  }
}

absl::Status Manifest::Apply(absl::string_view record) {
  // LevelDB's version_edit.cc: tags are part of its format.
  enum Tag : uint64_t {
    kComparator = 1,
    kLogNumber = 2,
    kNextFileNumber = 3,
    kLastSequence = 4,
    kCompactPointer = 5,
    kDeletedFile = 6,
    kNewFile = 7,
    kPrevLogNumber = 9,
  };
  // Files are removed before files are added, whatever their order in the record.
  std::vector<std::pair<std::pair<uint32_t, uint64_t>, uint64_t>> added;
  uint64_t tag, level, number, bytes, ignored;
  while (!record.empty()) {
    bool ok = GetVarint(&record, &tag);
    if (ok) {
      switch (tag) {
        case kComparator:
          ok = SkipBytes(&record);
          break;
        case kLogNumber:
          ok = GetVarint(&record, &log_number);
          has_log_number |= ok;
          break;
        case kPrevLogNumber:
          ok = GetVarint(&record, &prev_log_number);
          break;
        case kNextFileNumber:
        case kLastSequence:
          ok = GetVarint(&record, &ignored);
          break;
        case kCompactPointer:
          ok = GetLevel(&record, &level) && SkipBytes(&record);
          break;
        case kDeletedFile:
          ok = GetLevel(&record, &level) && GetVarint(&record, &number);
          if (ok) tables.erase({static_cast<uint32_t>(level), number});
          break;
        case kNewFile:
          ok = GetLevel(&record, &level) && GetVarint(&record, &number) &&
               GetVarint(&record, &bytes) && SkipBytes(&record) && SkipBytes(&record);
          if (ok) added.push_back({{static_cast<uint32_t>(level), number}, bytes});
          break;
        default:
          ok = false;
      }
    }
    if (!ok) return absl::DataLossError("malformed MANIFEST record");
  }
  for (const auto& [at, size] : added) tables[at] = size;
  return absl::OkStatus();
}

absl::StatusOr<LevelDbCheck> CheckLevelDb(FileSystem& files, const std::string& directory,
                                          bool may_cut) {
  return Checker(files, directory).Run(may_cut);
}

}  // namespace cairn::namenode
