#include "fuse/mount.h"

#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/logging.h"
#include "common/status_macros.h"
#include "fuse/attributes.h"
#include "fuse/in_place.h"
#include "fuse/paths.h"
#include "fuse/virtual_files.h"

namespace cairn::fuse {
namespace {

// A file that another client writes may be longer than the namenode knows. Cairn's tells whether it
// is being written. Of others: the namenode learns the length of the last block at its end or, at
// the earliest, with its first flush; so as long as it knows only whole blocks, one may have begun.
bool MayBeLonger(const client::FileStatus& status) {
  if (status.open.has_value()) return *status.open;
  return status.is_file() && status.block_bytes != 0 && status.length % status.block_bytes == 0;
}

// Null: files are written at their end only. If no directory was asked for by name, a mount that
// reads and appends is still good.
absl::StatusOr<std::unique_ptr<StageArea>> OpenStage(const MountSettings& settings) {
  StageArea::Options options = settings.stage;
  const bool asked = !options.directory.empty();
  if (!asked) options.directory = DefaultStageDirectory();
  absl::StatusOr<std::unique_ptr<StageArea>> area = StageArea::Open(options);
  if (area.ok() || asked) return area;
  LOG_WARN("files can be written at their end only: no stage: {}", area.status());
  return nullptr;
}

// Its name is one that only such files have; and it is still his.
absl::Status RemoveLeftover(client::FileSystem& fs, const TemporaryName& name) {
  ASSIGN_OR_RETURN(const client::FileStatus status, fs.Stat(name.path));
  if (!status.is_file() || status.owner != name.user) {
    LOG_WARN("{}: is not the file that a mount has left there any more", name.path);
    return absl::OkStatus();
  }
  return fs.Delete(name.path, /*recursive=*/false).status();
}

}  // namespace

std::string DefaultStageDirectory() { return absl::StrCat("/var/tmp/cairn-fuse-", ::geteuid()); }

Mount::Mount(MountSettings settings)
    : settings_(std::move(settings)),
      clients_(settings_.uri, settings_.client),
      users_(SystemUsers(), SystemClock()),
      groups_(SystemGroups(), SystemClock()) {}

absl::StatusOr<std::unique_ptr<Mount>> Mount::Create(MountSettings settings) {
  settings.client.rpc_retries = std::make_shared<std::atomic<uint64_t>>(0);
  std::unique_ptr<Mount> mount(new Mount(std::move(settings)));
  ASSIGN_OR_RETURN(const ClientPtr fs, mount->ClientOf(mount->settings_.mounter));
  ASSIGN_OR_RETURN(const client::FileStatus root, fs->Stat(mount->settings_.path));
  if (!root.is_directory()) {
    return absl::FailedPreconditionError(
        absl::StrCat(mount->settings_.path, ": is not a directory"));
  }
  RETURN_IF_ERROR(mount->CheckId(root));
  mount->root_ = root.inode;
  ASSIGN_OR_RETURN(mount->is_cairn_, fs->CanReplaceBlocks());
  if (mount->is_cairn_) {
    ASSIGN_OR_RETURN(mount->stage_, OpenStage(mount->settings_));
  }
  if (mount->stage_ != nullptr) mount->RemoveLeftovers(fs->authority());
  mount->files_ = std::make_unique<OpenFiles>(OpenFile::Surroundings{
      .stage = mount->stage_.get(),
      .forget_pages = [mount = mount.get()](uint64_t inode) { mount->ForgetPages(inode); }});
  return mount;
}

absl::StatusOr<bool> Mount::CanChangeInPlace(client::FileSystem& fs,
                                             const client::FileStatus& status) const {
  if (stage_ == nullptr) return false;
  return InPlace::IsPossible(fs, status);
}

absl::StatusOr<bool> Mount::CanChangeInPlace(client::FileSystem& fs, uint64_t id) const {
  if (stage_ == nullptr) return false;
  ASSIGN_OR_RETURN(const client::FileStatus status, fs.Stat(PathOf(id)));
  return CanChangeInPlace(fs, status);
}

void Mount::RemoveLeftovers(absl::string_view authority) {
  stage_->RemoveLeftovers(authority, [&](const TemporaryName& name) {
    const absl::StatusOr<ClientPtr> maker = clients_.For(name.user);
    absl::Status removed = maker.status();
    if (maker.ok()) removed = RemoveLeftover(**maker, name);
    if (removed.ok() || absl::IsNotFound(removed)) return true;
    LOG_WARN("{}: left by a mount that was killed, and cannot be removed: {}", name.path, removed);
    return false;
  });
}

void Mount::BeginSession(fuse_session* session) {
  session_ = session;
  forgetter_.Start(session);
}

void Mount::ForgetAttributes(fuse_ino_t ino) {
  // A negative offset: no pages are touched, so this cannot wait for a request that is under way.
  // An inode that the kernel does not hold needs no forgetting.
  fuse_lowlevel_notify_inval_inode(session_, ino, -1, 0);
}

void Mount::ForgetPages(uint64_t id) {
  pages_.Forget(id);
  forgetter_.Forget(InoOf(id));
}

absl::StatusOr<ClientPtr> Mount::ClientOf(uid_t uid) {
  if (!settings_.one_user.empty()) return clients_.For(settings_.one_user);
  if (uid == settings_.mounter) return clients_.For(settings_.mounting_user);
  return clients_.For(users_.NameOf(uid));
}

absl::Status Mount::CheckId(const client::FileStatus& status) const {
  const uint64_t ours = settings_.virtual_files ? kLastVirtual : FUSE_ROOT_ID;
  if (status.inode > ours) return absl::OkStatus();
  return absl::InternalError(
      absl::StrCat(status.path, ": the server's id of it, ", status.inode, ", is none"));
}

struct stat Mount::Convert(const client::FileStatus& status) {
  return ToStat(status, users_.IdOf(status.owner), groups_.IdOf(status.group));
}

absl::StatusOr<struct stat> Mount::Describe(client::FileSystem& fs, client::FileStatus status) {
  RETURN_IF_ERROR(CheckId(status));
  const std::shared_ptr<OpenFile> open = files_->Find(status.inode);
  const auto written = open == nullptr ? std::nullopt : open->written();
  if (written.has_value()) {
    status.length = written->length;
    status.modified = written->modified;
  } else if (MayBeLonger(status)) {
    const std::string path = PathOf(status.inode);
    bool open_elsewhere = true;
    if (!status.open.has_value()) {
      ASSIGN_OR_RETURN(const bool closed, fs.IsFileClosed(path));
      open_elsewhere = !closed;
    }
    if (open_elsewhere) {
      // Who may not read it sees what the namenode knows, as do all if the datanodes are silent.
      status.length = std::max(status.length, fs.GetLength(path).value_or(0));
    }
  }
  if (open != nullptr) open->NoteTold(status.length);
  return Convert(status);
}

absl::StatusOr<fuse_entry_param> Mount::EntryOf(client::FileSystem& fs, client::FileStatus status) {
  ASSIGN_OR_RETURN(const struct stat attributes, Describe(fs, std::move(status)));
  return Entry(attributes);
}

absl::StatusOr<fuse_entry_param> Mount::EntryAt(client::FileSystem& fs, const std::string& path) {
  while (true) {
    const Changes::Moment asked = changes_.Now();
    ASSIGN_OR_RETURN(client::FileStatus status, fs.Stat(path));
    const uint64_t id = status.inode;
    const bool is_file = status.is_file();
    ASSIGN_OR_RETURN(fuse_entry_param entry, EntryOf(fs, std::move(status)));
    if (!is_file || changes_.NoneSince(asked)) return entry;
    // It may have been completed in between: neither the namenode's answer nor the open files had
    // that.
    const absl::StatusOr<struct stat> now = DescribeInode(fs, id);
    if (absl::IsNotFound(now.status())) continue;  // another has its name: only `path` tells
    RETURN_IF_ERROR(now.status());
    entry.attr = *now;
    return entry;
  }
}

absl::StatusOr<std::optional<fuse_entry_param>> Mount::KnownEntryOf(client::FileStatus status,
                                                                    const Changes::Moment& asked) {
  RETURN_IF_ERROR(CheckId(status));
  if (MayBeLonger(status) || files_->Find(status.inode) != nullptr) return std::nullopt;
  // After the look at the open files: a change has begun before one of them is closed.
  if (!changes_.NoneSince(asked)) return std::nullopt;
  const absl::Duration age = SystemClock().Monotonic() - asked.at;
  if (age > std::min(settings_.attribute_life, settings_.entry_life)) return std::nullopt;
  return Entry(Convert(status));
}

absl::StatusOr<struct stat> Mount::DescribeInode(client::FileSystem& fs, uint64_t id) {
  // Asked before the namenode is: if the file is completed in between, its answer is older.
  const std::shared_ptr<OpenFile> open = files_->Find(id);
  const auto before = open == nullptr ? std::nullopt : open->written();
  ASSIGN_OR_RETURN(client::FileStatus status, fs.Stat(PathOf(id)));
  if (before.has_value() && !open->written().has_value()) {
    ASSIGN_OR_RETURN(status, fs.Stat(PathOf(id)));
  }
  return Describe(fs, std::move(status));
}

fuse_entry_param Mount::Entry(const struct stat& attributes) const {
  fuse_entry_param entry{};
  entry.ino = InoOf(attributes.st_ino);
  entry.attr = attributes;
  entry.attr_timeout = absl::ToDoubleSeconds(settings_.attribute_life);
  entry.entry_timeout = absl::ToDoubleSeconds(settings_.entry_life);
  return entry;
}

}  // namespace cairn::fuse
