#include "fuse/in_place.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/fs_error.h"
#include "common/logging.h"
#include "common/status_macros.h"
#include "fuse/paths.h"

namespace cairn::fuse {
namespace {

constexpr size_t kCopyBytes = 1 << 20;
// Between the answers about blocks and bytes somebody may change the file.
constexpr int kBeginTries = 3;

absl::Status Changed(const std::string& path) {
  return MakeFsError(FsError::kChanged, absl::StrCat(path, ": another client changes it"));
}

}  // namespace

// The file that is being made: noted as long as it may be there, and removed at the end.
class InPlace::Temporary {
 public:
  // In the directory of `inode`, or in the user's home if he may not write there.
  static absl::StatusOr<std::unique_ptr<Temporary>> Make(const ClientPtr& fs, StageArea& area,
                                                         uint64_t inode,
                                                         const client::FileStatus& like) {
    const std::string name = StagedName(inode);
    auto made = MakeAt(fs, area, absl::StrCat(PathOf(inode), "/.."), name, like);
    if (!absl::IsPermissionDenied(made.status())) return made;
    auto at_home = MakeAt(fs, area, fs->HomeDirectory(), name, like);
    return at_home.ok() ? std::move(at_home) : std::move(made);
  }
  ~Temporary() {
    out_ = nullptr;
    absl::Status removed;
    if (!moved_) removed = fs_->Delete(notes_.back().path, /*recursive=*/false).status();
    // Noted as it is then, for the next mount.
    if (!removed.ok() && !absl::IsNotFound(removed)) {
      LOG_WARN("{}: a temporary file may be left: {}", path_, removed);
      return;
    }
    for (const TemporaryName& note : notes_) area_.Forget(note);
  }

  client::OutputStream& out() { return *out_; }
  // Its blocks are another file's now.
  void NoteMoved() { moved_ = true; }
  const std::string& path() const { return path_; }

 private:
  Temporary(ClientPtr fs, StageArea& area, std::unique_ptr<client::OutputStream> out)
      : fs_(std::move(fs)), area_(area), path_(PathOf(out->status().inode)), out_(std::move(out)) {}

  static absl::StatusOr<std::unique_ptr<Temporary>> MakeAt(const ClientPtr& fs, StageArea& area,
                                                           const std::string& directory,
                                                           const std::string& name,
                                                           const client::FileStatus& like) {
    TemporaryName note{.authority = fs->authority(),
                       .user = fs->user(),
                       .path = absl::StrCat(directory, "/", name)};
    RETURN_IF_ERROR(area.Note(note));
    // An erasure-coded file has no replication that a new one could be asked for.
    const bool coded = !like.ec_policy.empty();
    auto out = fs->Create(note.path, {.create_parents = false,
                                      .replication = coded ? 0 : like.replication,
                                      .block_bytes = like.block_bytes,
                                      .mode = 0600,
                                      .should_replicate = !coded,
                                      .erasure_policy = like.ec_policy});
    if (!out.ok()) {
      const bool unknown =
          absl::IsUnavailable(out.status()) || absl::IsDeadlineExceeded(out.status());
      if (!unknown) area.Forget(note);
      return out.status();
    }
    std::unique_ptr<Temporary> made(new Temporary(fs, area, *std::move(out)));
    made->notes_.push_back(note);
    // Beginning with its own id as well: the file or directory above may be moved, or go.
    note.path = absl::StrCat(made->path_, "/../", name);
    RETURN_IF_ERROR(area.Note(note));
    made->notes_.push_back(note);
    return made;
  }

  const ClientPtr fs_;
  StageArea& area_;
  const std::string path_;  // by id
  std::unique_ptr<client::OutputStream> out_;
  bool moved_ = false;
  std::vector<TemporaryName> notes_;  // of the same file
};

InPlace::InPlace(ClientPtr fs, uint64_t inode, StageArea& area)
    : fs_(std::move(fs)), area_(area), inode_(inode), path_(PathOf(inode)) {}

absl::StatusOr<bool> InPlace::IsPossible(client::FileSystem& fs, const client::FileStatus& status) {
  // What this client's Create would refuse, or fail of once the file is there.
  const uint32_t chunk = fs.options().bytes_per_checksum;
  for (const uint64_t bytes :
       {status.block_bytes, uint64_t{status.ec_cell_bytes}, status.small_of_cell_bytes}) {
    if (bytes % chunk != 0) return false;
  }
  if (status.ec_policy.empty()) return true;
  return fs.CanMakeFilesOf(status.ec_policy);
}

absl::Status InPlace::CheckPossible() const {
  ASSIGN_OR_RETURN(const bool possible, IsPossible(*fs_, blocks_.status));
  if (possible) return absl::OkStatus();
  const std::string& policy = blocks_.status.ec_policy;
  return absl::UnimplementedError(
      absl::StrCat(path_, ": no file like it (blocks of ", blocks_.status.block_bytes, " bytes",
                   policy.empty() ? "" : ", ", policy,
                   ") can be made by this client now, so it is written at its end only"));
}

absl::StatusOr<std::unique_ptr<InPlace>> InPlace::Begin(ClientPtr fs, uint64_t inode,
                                                        StageArea& area) {
  std::unique_ptr<InPlace> change(new InPlace(std::move(fs), inode, area));
  RETURN_IF_ERROR(change->OpenBase());
  RETURN_IF_ERROR(change->CheckPossible());
  ASSIGN_OR_RETURN(const int fd, area.NewFile());
  const auto read = [base = change->base_.get()](uint64_t offset,
                                                 std::span<std::byte> out) -> absl::Status {
    ASSIGN_OR_RETURN(const size_t bytes, base->Read(offset, out));
    if (bytes == out.size()) return absl::OkStatus();
    return absl::DataLossError("the file is shorter than its blocks");
  };
  change->staged_ = std::make_unique<StagedFile>(area, fd, read, change->blocks_.status.length);
  return change;
}

absl::Status InPlace::OpenBase() {
  for (int i = 0; i < kBeginTries; ++i) {
    ASSIGN_OR_RETURN(blocks_, fs_->GetFileVersion(path_));
    if (blocks_.blocks.empty()) return absl::OkStatus();
    ASSIGN_OR_RETURN(std::unique_ptr<client::InputStream> in, fs_->Open(path_));
    const client::BlockVersion& last = blocks_.blocks.back();
    const std::optional<client::ContentsId> found = in->contents();
    if (!found.has_value() || found->last_block != last.id || found->stamp != last.stamp ||
        found->length != blocks_.status.length) {
      continue;
    }
    base_ = std::make_unique<ReadStream>(std::move(in));
    return absl::OkStatus();
  }
  return Changed(path_);
}

absl::StatusOr<std::unique_ptr<InPlace::Temporary>> InPlace::MakeTemporary() {
  auto made = Temporary::Make(fs_, area_, inode_, blocks_.status);
  // The policy may have been disabled since Begin.
  if (absl::IsInvalidArgument(made.status())) RETURN_IF_ERROR(CheckPossible());
  return made;
}

absl::Status InPlace::WriteBack(bool sync) {
  const std::vector<PlannedPart> plan =
      PlanBlocks(blocks_.blocks, blocks_.full_block_bytes, staged_->changed());
  const bool writes = std::any_of(plan.begin(), plan.end(),
                                  [](const PlannedPart& part) { return !part.kept.has_value(); });
  if (!writes) {
    ASSIGN_OR_RETURN(const std::vector<uint64_t> ids, BlocksOfPlan(plan, {}));
    return fs_->ReplaceBlocks(path_, blocks_, /*source=*/"", ids);
  }
  ASSIGN_OR_RETURN(const std::unique_ptr<Temporary> temporary, MakeTemporary());
  // Nothing is written yet: from here on the datanodes sync each block at its end.
  if (sync) RETURN_IF_ERROR(temporary->out().Hsync());
  RETURN_IF_ERROR(WriteRanges(plan, temporary->out()));
  RETURN_IF_ERROR(temporary->out().Close());
  ASSIGN_OR_RETURN(const client::FileBlocks written, fs_->GetFileVersion(temporary->path()));
  ASSIGN_OR_RETURN(const std::vector<uint64_t> ids, BlocksOfPlan(plan, written.blocks));
  RETURN_IF_ERROR(fs_->ReplaceBlocks(path_, blocks_, temporary->path(), ids));
  temporary->NoteMoved();
  return absl::OkStatus();
}

absl::Status InPlace::WriteRanges(const std::vector<PlannedPart>& plan, client::OutputStream& out) {
  for (const PlannedPart& part : plan) {
    if (part.kept.has_value()) continue;
    // The ranges become blocks of the file, with others between them.
    RETURN_IF_ERROR(out.EndBlock());
    RETURN_IF_ERROR(WriteRange(part.range, out));
  }
  return absl::OkStatus();
}

absl::Status InPlace::WriteRange(ByteRange range, client::OutputStream& out) {
  std::vector<std::byte> buffer(std::min<uint64_t>(kCopyBytes, range.end - range.begin));
  while (range.begin < range.end) {
    const auto piece =
        std::span(buffer).first(std::min<uint64_t>(buffer.size(), range.end - range.begin));
    ASSIGN_OR_RETURN(const size_t bytes, staged_->Read(range.begin, piece));
    if (bytes != piece.size()) return absl::InternalError("a staged file has shrunk");
    RETURN_IF_ERROR(out.Write(piece));
    range.begin += piece.size();
  }
  return absl::OkStatus();
}

}  // namespace cairn::fuse
