#include "libhdfs/open_file.h"

#include <utility>

#include "common/status_macros.h"
#include "libhdfs/errno.h"
#include "libhdfs/fork.h"

namespace cairn::libhdfs {

HandleTable<OpenFile>& Files() {
  static const PerProcess<HandleTable<OpenFile>> table;
  return table.get();
}

hdfsFile AddFile(std::shared_ptr<OpenFile> file) {
  return static_cast<hdfsFile>(Files().Add(std::move(file)));
}

absl::Status Broken() {
  return WithErrno(EIO, "there was no memory for bytes written before: the file lacks them");
}

absl::StatusOr<FilePtr> FindFile(hdfsFile handle) {
  FilePtr file = Files().Find(handle);
  if (file == nullptr) return WithErrno(EBADF, "not an open hdfsFile");
  return file;
}

absl::StatusOr<FilePtr> FindForReading(hdfsFile handle) {
  ASSIGN_OR_RETURN(FilePtr file, FindFile(handle));
  if (file->in == nullptr) return absl::InvalidArgumentError("the file is open for writing");
  return file;
}

absl::StatusOr<FilePtr> FindForWriting(hdfsFile handle) {
  ASSIGN_OR_RETURN(FilePtr file, FindFile(handle));
  if (file->out == nullptr) return absl::InvalidArgumentError("the file is open for reading");
  if (file->broken) return Broken();
  return file;
}

}  // namespace cairn::libhdfs
