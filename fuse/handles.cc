#include "fuse/handles.h"

#include <fcntl.h>
#include <unistd.h>

#include <utility>

#include "common/fs_error.h"
#include "common/status_macros.h"
#include "fuse/paths.h"

namespace cairn::fuse {

FileHandle::FileHandle(OpenFiles& files, ClientPtr fs, uint64_t inode, int flags)
    : files_(files),
      fs_(std::move(fs)),
      may_read_((flags & O_ACCMODE) != O_WRONLY),
      may_write_((flags & O_ACCMODE) != O_RDONLY),
      file_(files_.Open(inode, may_write_)) {}

FileHandle::~FileHandle() { files_.Close(*file_, may_write_, *fs_); }

absl::StatusOr<std::unique_ptr<FileHandle>> FileHandle::Open(Mount& mount, ClientPtr fs,
                                                             uint64_t inode, int flags,
                                                             const Interrupted& interrupted) {
  const bool cuts = (flags & O_TRUNC) != 0;
  auto handle = std::make_unique<FileHandle>(mount.files(), fs, inode, flags);
  if (handle->may_write() || cuts) RETURN_IF_ERROR(fs->Access(PathOf(inode), W_OK));
  if (handle->may_read()) RETURN_IF_ERROR(handle->Reader().status());
  if (cuts) RETURN_IF_ERROR(handle->file().Truncate(fs, 0, interrupted));
  return handle;
}

absl::StatusOr<std::shared_ptr<ReadStream>> FileHandle::Reader() {
  MutexLock lock(mu_);
  const uint64_t cuts = file_->cuts();
  if (reader_ != nullptr && cuts == cuts_) return reader_;
  ASSIGN_OR_RETURN(auto in, fs_->Open(PathOf(file_->inode())));
  reader_ = std::make_shared<ReadStream>(std::move(in));
  cuts_ = cuts;
  return reader_;
}

std::optional<client::ContentsId> FileHandle::contents() {
  MutexLock lock(mu_);
  return reader_ == nullptr ? std::nullopt : reader_->contents();
}

void FileHandle::DropReader() {
  MutexLock lock(mu_);
  reader_ = nullptr;
}

absl::StatusOr<size_t> FileHandle::Read(uint64_t offset, std::span<std::byte> out) {
  bool looked_again = false;
  bool looked_behind = false;
  while (true) {
    const uint64_t cuts = file_->cuts();
    const uint64_t writes = file_->writes();
    const absl::StatusOr<size_t> bytes = ReadOnce(offset, out);
    // The inode is the same: another client has changed it, and its bytes are the present ones.
    if (GetFsError(bytes.status()) == FsError::kChanged && !std::exchange(looked_again, true)) {
      DropReader();
      continue;
    }
    RETURN_IF_ERROR(bytes.status());
    // What the kernel is given now it may keep for those who have found other contents meanwhile.
    if (file_->cuts() != cuts) continue;
    // What ends here may have been added to meanwhile, by who knows by now that it is there. Once:
    // nobody waits for the end of a writer who goes on and on.
    const bool may_be_behind = *bytes < out.size() && file_->writes() != writes;
    if (!may_be_behind || std::exchange(looked_behind, true)) return bytes;
  }
}

absl::StatusOr<size_t> FileHandle::ReadOnce(uint64_t offset, std::span<std::byte> out) {
  ASSIGN_OR_RETURN(const std::optional<size_t> staged, file_->ReadStaged(offset, out));
  if (staged.has_value()) return *staged;
  RETURN_IF_ERROR(file_->MakeReadable(offset + out.size()));
  ASSIGN_OR_RETURN(const std::shared_ptr<ReadStream> reader, Reader());
  // The last request of every file reaches beyond its end. Only who knows, or is to find out, that
  // there is more gets it looked for.
  const uint64_t length = reader->length();
  if (offset >= length || (offset + out.size() > length && file_->told() > length)) {
    RETURN_IF_ERROR(reader->RefreshLength().status());
  }
  return reader->Read(offset, out);
}

}  // namespace cairn::fuse
