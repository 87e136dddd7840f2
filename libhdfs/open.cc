#include "libhdfs/open.h"

#include <cerrno>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "libhdfs/errno.h"
#include "libhdfs/open_file.h"

namespace cairn::libhdfs {
namespace {

using OutputPtr = std::unique_ptr<client::OutputStream>;

absl::StatusOr<OutputPtr> OpenForWriting(const Place& place, const OpenRequest& request) {
  if ((request.flags & O_APPEND) != 0) return place->Append(place.path);
  if (request.replication < 0 || request.block_bytes < 0) {
    return absl::InvalidArgumentError(absl::StrCat(
        place.path, ": replication ", request.replication, ", block size ", request.block_bytes));
  }
  constexpr int kNew = O_CREAT | O_EXCL;
  return place->Create(place.path, {.overwrite = (request.flags & kNew) != kNew,
                                    .replication = static_cast<uint32_t>(request.replication),
                                    .block_bytes = static_cast<uint64_t>(request.block_bytes)});
}

}  // namespace

absl::StatusOr<hdfsFile> OpenPath(hdfsFS fs, const char* path, const OpenRequest& request) {
  ASSIGN_OR_RETURN(const Place place, Locate(fs, path));
  auto file = std::make_shared<OpenFile>();
  file->instance = place.instance;
  switch (request.flags & O_ACCMODE) {
    case O_RDONLY: {
      ASSIGN_OR_RETURN(file->in, place->Open(place.path));
      break;
    }
    case O_WRONLY: {
      ASSIGN_OR_RETURN(file->out, OpenForWriting(place, request));
      break;
    }
    case O_RDWR:
      return WithErrno(ENOTSUP, absl::StrCat(place.path, ": reading and writing at once"));
    default:
      return absl::InvalidArgumentError(absl::StrCat(place.path, ": flags ", request.flags));
  }
  return AddFile(std::move(file));
}

}  // namespace cairn::libhdfs
