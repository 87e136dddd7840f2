#include "tools/ec/converter.h"

#include <signal.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <optional>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/copy_name.h"
#include "client/path.h"
#include "common/clock.h"
#include "common/crc32c.h"
#include "common/fs_error.h"
#include "common/status_macros.h"
#include "tools/ec/missing_bytes.h"

namespace cairn::tools {
namespace {

constexpr size_t kMaxQueued = 1024;
constexpr size_t kPieceBytes = 1 << 20;
// Reports of the copy's last replicas are on their way when it is closed, and those of any units of
// a group, as long as others have come that its bytes can be computed from.
constexpr absl::Duration kReportPatience = absl::Seconds(30);
constexpr absl::Duration kReportPause = absl::Milliseconds(200);
constexpr char kCompositeCrc32c[] = "COMPOSITE-CRC32C";

bool IsRunning(pid_t pid) { return ::kill(pid, 0) == 0 || errno != ESRCH; }

// Names may come to mean other files while one is copied: all that is read, compared and deleted is
// named so.
std::string ById(uint64_t inode) { return absl::StrCat("/.reserved/.inodes/", inode); }

std::string BigEndian(uint32_t crc) {
  std::string bytes;
  for (int shift = 24; shift >= 0; shift -= 8) bytes.push_back(static_cast<char>(crc >> shift));
  return bytes;
}

absl::Status Differs(const std::string& path) {
  return absl::DataLossError(
      absl::StrCat(path, ": its copy has other bytes; the file is as it was"));
}

bool IsSameVersion(const client::FileBlocks& a, const client::FileBlocks& b) {
  return a.status.ec_policy == b.status.ec_policy &&
         std::equal(a.blocks.begin(), a.blocks.end(), b.blocks.begin(), b.blocks.end(),
                    [](const client::BlockVersion& x, const client::BlockVersion& y) {
                      return x.id == y.id && x.stamp == y.stamp && x.length == y.length;
                    });
}

// Whether bytes of the file may be on no datanode that is there: true if it cannot be told. False:
// there is no such file.
bool FileMayLackBytes(client::FileSystem& fs, uint64_t inode) {
  const absl::StatusOr<client::FileStatus> file = fs.Stat(ById(inode));
  if (!file.ok()) return !absl::IsNotFound(file.status());
  const auto blocks = fs.GetBlockLocations(ById(inode), 0, file->length);
  if (!blocks.ok()) return !absl::IsNotFound(blocks.status());
  return std::any_of(blocks->begin(), blocks->end(), [&](const client::BlockLocation& block) {
    return MayLackBytes(block, file->ec_policy);
  });
}

// Of a copy that was closed just now: all its data units are asked.
absl::StatusOr<client::FileChecksum> ChecksumOfNew(client::FileSystem& fs,
                                                   const std::string& copy) {
  const absl::Time deadline = absl::Now() + kReportPatience;
  while (true) {
    auto checksum = fs.GetFileChecksum(copy, client::ChecksumCombine::kComposite, UINT64_MAX,
                                       client::LostUnits::kRefuse);
    if (!absl::IsUnavailable(checksum.status()) || absl::Now() > deadline) return checksum;
    absl::SleepFor(kReportPause);
  }
}

}  // namespace

// The file that is being made; removed at the end, unless its blocks are another's by then.
class Converter::Copy {
 public:
  static absl::StatusOr<std::unique_ptr<Copy>> Make(client::FileSystem& fs,
                                                    const client::FileStatus& like,
                                                    const std::string& policy) {
    const std::string name = client::ToName(client::CopyNameOf(like.inode));
    std::unique_ptr<Copy> copy(new Copy(fs, client::JoinPath(client::ParentPath(like.path), name)));
    // Of an erasure-coded file nobody knows how often it was replicated: as new files are.
    const auto create = [&](bool overwrite) {
      return fs.Create(copy->path_, {.overwrite = overwrite,
                                     .create_parents = false,
                                     .block_bytes = like.block_bytes,
                                     .mode = 0600,
                                     .should_replicate = policy.empty(),
                                     .erasure_policy = policy});
    };
    auto out = create(false);
    // In containers processes have the same number and host time and again.
    const bool is_there = absl::IsAlreadyExists(out.status()) ||
                          GetFsError(out.status()) == FsError::kAlreadyBeingCreated;
    if (is_there && !FileMayLackBytes(fs, like.inode)) out = create(true);
    RETURN_IF_ERROR(out.status());
    copy->out_ = *std::move(out);
    copy->by_id_ = ById(copy->out_->status().inode);
    return copy;
  }
  ~Copy() {
    out_ = nullptr;
    if (moved_ || by_id_.empty()) return;
    fs_.Delete(by_id_, /*recursive=*/false).IgnoreError();  // the next run finds it
  }

  client::OutputStream& out() { return *out_; }
  const std::string& by_id() const { return by_id_; }
  void NoteMoved() { moved_ = true; }

 private:
  Copy(client::FileSystem& fs, std::string path) : fs_(fs), path_(std::move(path)) {}

  client::FileSystem& fs_;
  const std::string path_;
  std::string by_id_;  // empty: it was not made
  std::unique_ptr<client::OutputStream> out_;
  bool moved_ = false;
};

Converter::Converter(client::FileSystem& fs, ConvertOptions options, OnFailure on_failure)
    : fs_(fs),
      options_(std::move(options)),
      host_(client::CopyNameOf(0).host),
      pacer_(options_.bytes_per_second),
      on_failure_(std::move(on_failure)) {
  for (int i = 0; i < options_.threads; ++i) threads_.emplace_back([this] { Work(); });
}

Converter::~Converter() { Finish(); }

void Converter::Cancel() {
  cancelled_ = true;
  {
    MutexLock lock(mu_);
    files_.clear();
  }
  changed_.NotifyAll();
}

bool Converter::has_given_up() const {
  MutexLock lock(mu_);
  return given_up_;
}

ConvertTotals Converter::totals() const {
  MutexLock lock(mu_);
  return totals_;
}

ConvertTotals Converter::Finish() {
  {
    MutexLock lock(mu_);
    finishing_ = true;
  }
  changed_.NotifyAll();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
  MutexLock lock(mu_);
  return totals_;
}

// ---- Which files ----

absl::Status Converter::Add(const std::string& path) {
  ASSIGN_OR_RETURN(const client::FileStatus status, fs_.Stat(path));
  if (status.is_directory()) return AddDirectory(path);
  CleanUp(client::ParentPath(path));
  AddFile(status);
  return absl::OkStatus();
}

absl::Status Converter::AddDirectory(const std::string& path) {
  std::vector<std::string> todo = {path};
  while (!todo.empty()) {
    const std::string directory = std::move(todo.back());
    todo.pop_back();
    CleanUp(directory);
    client::DirectoryIterator entries = fs_.List(directory);
    while (true) {
      const absl::StatusOr<std::optional<client::FileStatus>> entry = entries.Next();
      // One below may have been deleted since, or be somebody else's.
      if (!entry.ok() && directory == path) return entry.status();
      if (!entry.ok()) {
        if (!absl::IsNotFound(entry.status())) Fail(directory, entry.status());
        break;
      }
      if (!entry->has_value()) break;
      if ((*entry)->is_directory()) {
        todo.push_back((*entry)->path);
      } else if ((*entry)->is_file()) {
        AddFile(**entry);
      }
    }
  }
  return absl::OkStatus();
}

void Converter::AddFile(const client::FileStatus& file) {
  if (client::ParseCopyName(client::BaseName(file.path)).has_value()) return;
  MutexLock lock(mu_);
  if (file.ec_policy == options_.policy) {
    ++totals_.already;
    return;
  }
  // One that grows is coded by its writer, or was not, and is now.
  const bool is_small =
      !options_.policy.empty() && file.small_of == options_.policy &&
      file.length <= client::SmallFileBytes(fs_.options(), file.small_of_cell_bytes);
  if (is_small || file.length < options_.min_bytes ||
      file.modified + options_.min_age > absl::Now()) {
    ++totals_.passed;
    return;
  }
  while (files_.size() >= kMaxQueued && !cancelled_ && !given_up_) changed_.Wait(mu_);
  if (cancelled_ || given_up_) return;
  files_.push_back(file);
  changed_.NotifyAll();
}

void Converter::CleanUp(const std::string& directory) {
  if (!cleaned_.insert(directory).second) return;
  client::DirectoryIterator entries = fs_.List(directory, client::kCopyPrefix);
  while (true) {
    const absl::StatusOr<std::optional<client::FileStatus>> entry = entries.Next();
    if (!entry.ok() || !entry->has_value()) return;  // whoever lists it next says why not
    const absl::string_view name = client::BaseName((*entry)->path);
    if (!absl::StartsWith(name, client::kCopyPrefix)) return;
    RemoveIfLeftOver(**entry);
  }
}

void Converter::RemoveIfLeftOver(const client::FileStatus& found) {
  const std::optional<client::CopyName> copy = client::ParseCopyName(client::BaseName(found.path));
  if (!copy.has_value() || !client::IsLeftOver(*copy, found, host_, IsRunning, absl::Now())) return;
  // After a restore to the moment before a switch the copy may be all that is left of the file.
  if (!found.open.value_or(false) && FileMayLackBytes(fs_, copy->inode)) return;
  fs_.Delete(ById(found.inode), /*recursive=*/false).IgnoreError();  // it does no harm
}

// ---- One file ----

void Converter::Work() {
  while (true) {
    client::FileStatus file;
    {
      MutexLock lock(mu_);
      while (files_.empty() && !finishing_) changed_.Wait(mu_);
      if (files_.empty()) return;
      file = std::move(files_.front());
      files_.pop_front();
    }
    changed_.NotifyAll();
    Convert(file);
  }
}

void Converter::Convert(const client::FileStatus& file) {
  uint64_t bytes = 0;
  const absl::StatusOr<End> end = TryToConvert(file, &bytes);
  if (!end.ok() && cancelled_) return;
  const FsError error = GetFsError(end.status());
  if (!end.ok() && error != FsError::kAlreadyBeingCreated && error != FsError::kChanged) {
    // Deleted or renamed meanwhile is changed, too.
    const auto there = fs_.Stat(file.path);
    if (!absl::IsNotFound(there.status())) return Fail(file.path, end.status());
  }
  MutexLock lock(mu_);
  if (!end.ok()) {
    ++(error == FsError::kAlreadyBeingCreated ? totals_.written : totals_.changed);
  } else if (*end == End::kAlready) {
    ++totals_.already;
  } else {
    ++totals_.converted;
    totals_.bytes += bytes;
    failed_in_a_row_ = 0;
  }
}

absl::StatusOr<Converter::End> Converter::TryToConvert(const client::FileStatus& file,
                                                       uint64_t* bytes) {
  ASSIGN_OR_RETURN(const client::FileStatus now, fs_.Stat(file.path));
  // Whether another one is to be converted was not asked.
  if (now.inode != file.inode || now.modified != file.modified) {
    return MakeFsError(FsError::kChanged, absl::StrCat(file.path, ": was changed"));
  }
  ASSIGN_OR_RETURN(client::FileBlocks version, fs_.GetFileVersion(ById(now.inode)));
  version.status.path = file.path;
  const std::string& form = version.status.ec_policy;
  if (form == options_.policy) return End::kAlready;  // somebody else was faster
  if (!form.empty() && !options_.policy.empty()) {
    return absl::FailedPreconditionError(
        absl::StrCat(file.path, ": is ", form, "; make it replicated first"));
  }
  progress_.SetFile(file.path, version.status.length);
  ASSIGN_OR_RETURN(const std::unique_ptr<Copy> copy,
                   Copy::Make(fs_, version.status, options_.policy));
  ASSIGN_OR_RETURN(const End end, Judge(CopyAndSwitch(version, *copy), version, copy->by_id()));
  if (end == End::kConverted) {
    copy->NoteMoved();
    *bytes = version.status.length;
  }
  return end;
}

absl::Status Converter::CopyAndSwitch(const client::FileBlocks& version, Copy& copy) {
  uint32_t crc = 0;
  RETURN_IF_ERROR(CopyBytes(version, copy.out(), &crc));
  RETURN_IF_ERROR(copy.out().Close());
  if (version.status.length > 0) RETURN_IF_ERROR(Compare(version, copy.by_id(), crc));
  return Switch(version, copy.by_id());
}

// Whatever went wrong: it may be that the file is another by now, so that nothing fits, or that the
// switch was done and its answer lost, and the call that was sent again has found no copy.
absl::StatusOr<Converter::End> Converter::Judge(const absl::Status& status,
                                                const client::FileBlocks& version,
                                                const std::string& copy) {
  if (status.ok()) return End::kConverted;
  if (GetFsError(status) == FsError::kAlreadyBeingCreated) return status;
  const absl::StatusOr<client::FileBlocks> now = fs_.GetFileVersion(ById(version.status.inode));
  if (absl::IsNotFound(now.status())) {
    return MakeFsError(FsError::kChanged, absl::StrCat(version.status.path, ": was deleted"));
  }
  if (!now.ok()) {
    return GetFsError(now.status()) == FsError::kAlreadyBeingCreated ? now.status() : status;
  }
  if (IsSameVersion(*now, version)) return status;
  if (now->status.ec_policy != options_.policy) {
    return MakeFsError(FsError::kChanged, absl::StrCat(version.status.path, ": was changed"));
  }
  return fs_.Exists(copy).value_or(true) ? End::kAlready : End::kConverted;
}

absl::Status Converter::CopyBytes(const client::FileBlocks& version, client::OutputStream& out,
                                  uint32_t* crc) {
  if (version.status.length == 0) return absl::OkStatus();
  ASSIGN_OR_RETURN(const std::unique_ptr<client::InputStream> in,
                   fs_.Open(ById(version.status.inode)));
  std::vector<std::byte> buffer(kPieceBytes);
  uint64_t copied = 0;
  while (true) {
    ASSIGN_OR_RETURN(const size_t got, in->ReadFully(buffer));
    if (got == 0) break;
    if (cancelled_) return absl::CancelledError("the conversion was cancelled");
    absl::SleepFor(pacer_.Wait(got, SystemClock().Monotonic()));
    const auto piece = std::span<const std::byte>(buffer).first(got);
    *crc = Crc32cExtend(*crc, piece);
    RETURN_IF_ERROR(out.Write(piece));
    copied += got;
    progress_.Add(got);
  }
  if (copied == version.status.length) return absl::OkStatus();
  return MakeFsError(FsError::kChanged, absl::StrCat(version.status.path, ": another length"));
}

// The composite CRC of a file is the CRC of its bytes, whatever its form. `crc` is that of the
// bytes as they came here, which were checked on the way. The file's datanodes are asked, too, if
// they have all: what a bad memory has spoilt between the check and here has a right CRC.
absl::Status Converter::Compare(const client::FileBlocks& version, const std::string& copy,
                                uint32_t crc) {
  const std::string& path = version.status.path;
  ASSIGN_OR_RETURN(const client::FileChecksum made, ChecksumOfNew(fs_, copy));
  if (made.algorithm != kCompositeCrc32c || made.bytes != BigEndian(crc)) return Differs(path);
  // What was appended since is not in the copy.
  const absl::StatusOr<client::FileChecksum> original =
      fs_.GetFileChecksum(ById(version.status.inode), client::ChecksumCombine::kComposite,
                          version.status.length, client::LostUnits::kRefuse);
  if (original.ok() && original->algorithm == made.algorithm && original->bytes != made.bytes) {
    return Differs(path);
  }
  return absl::OkStatus();
}

absl::Status Converter::Switch(const client::FileBlocks& version, const std::string& copy) {
  const absl::Time deadline = absl::Now() + kReportPatience;
  while (true) {
    const absl::Status status = fs_.ConvertFile(version.status.path, version, copy);
    const bool may_follow = GetFsError(status) == FsError::kNotReplicatedYet && !cancelled_;
    if (!may_follow || absl::Now() > deadline) return status;
    absl::SleepFor(kReportPause);
  }
}

void Converter::Fail(const std::string& path, const absl::Status& why) {
  {
    MutexLock lock(mu_);
    ++totals_.failed;
    on_failure_(path, why);
    given_up_ =
        given_up_ || (options_.most_failures > 0 && ++failed_in_a_row_ >= options_.most_failures);
    if (!given_up_) return;
    files_.clear();
  }
  changed_.NotifyAll();
}

}  // namespace cairn::tools
