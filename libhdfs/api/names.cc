// What changes names and attributes.
#include <cstring>
#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "common/status_macros.h"
#include "hdfs/hdfs.h"
#include "libhdfs/call.h"
#include "libhdfs/copy.h"
#include "libhdfs/errno.h"
#include "libhdfs/instance.h"

using namespace cairn::libhdfs;  // NOLINT: the names of C stand outside of it

int hdfsExists(hdfsFS fs, const char* path) {
  return Call("hdfsExists", -1, [&]() -> absl::StatusOr<int> {
    ASSIGN_OR_RETURN(const Place place, Locate(fs, path));
    ASSIGN_OR_RETURN(const bool there, place->Exists(place.path));
    if (!there) return absl::NotFoundError(absl::StrCat(place.path, ": no such path"));
    return 0;
  });
}

int hdfsCreateDirectory(hdfsFS fs, const char* path) {
  return Call("hdfsCreateDirectory", -1, [&]() -> absl::StatusOr<int> {
    ASSIGN_OR_RETURN(const Place place, Locate(fs, path));
    RETURN_IF_ERROR(place->Mkdirs(place.path));
    return 0;
  });
}

int hdfsDelete(hdfsFS fs, const char* path, int recursive) {
  return Call("hdfsDelete", -1, [&]() -> absl::StatusOr<int> {
    ASSIGN_OR_RETURN(const Place place, Locate(fs, path));
    ASSIGN_OR_RETURN(const bool deleted, place->Delete(place.path, recursive != 0));
    if (!deleted) return WithErrno(EIO, absl::StrCat(place.path, ": there was nothing to delete"));
    return 0;
  });
}

int hdfsRename(hdfsFS fs, const char* oldPath, const char* newPath) {
  return Call("hdfsRename", -1, [&]() -> absl::StatusOr<int> {
    ASSIGN_OR_RETURN(const Place from, Locate(fs, oldPath));
    ASSIGN_OR_RETURN(const std::string to, from.instance->Resolve(newPath));
    ASSIGN_OR_RETURN(const bool renamed, from->Rename(from.path, to));
    if (!renamed) return WithErrno(EIO, absl::StrCat(from.path, ": not renamed to ", to));
    return 0;
  });
}

namespace {

int CopyOrMove(const char* function, hdfsFS from_fs, const char* from_path, hdfsFS to_fs,
               const char* to_path, absl::Status (*act)(const Place&, const Place&)) {
  return Call(function, -1, [&]() -> absl::StatusOr<int> {
    ASSIGN_OR_RETURN(const Place from, Locate(from_fs, from_path));
    ASSIGN_OR_RETURN(const Place to, Locate(to_fs, to_path));
    RETURN_IF_ERROR(act(from, to));
    return 0;
  });
}

}  // namespace

int hdfsCopy(hdfsFS srcFS, const char* src, hdfsFS dstFS, const char* dst) {
  return CopyOrMove("hdfsCopy", srcFS, src, dstFS, dst, &Copy);
}

int hdfsMove(hdfsFS srcFS, const char* src, hdfsFS dstFS, const char* dst) {
  return CopyOrMove("hdfsMove", srcFS, src, dstFS, dst, &Move);
}

int hdfsTruncateFile(hdfsFS fs, const char* path, tOffset newlength) {
  return Call("hdfsTruncateFile", -1, [&]() -> absl::StatusOr<int> {
    ASSIGN_OR_RETURN(const Place place, Locate(fs, path));
    if (newlength < 0) return absl::InvalidArgumentError(absl::StrCat("length ", newlength));
    ASSIGN_OR_RETURN(const bool done,
                     place->Truncate(place.path, static_cast<uint64_t>(newlength)));
    return done ? 1 : 0;
  });
}

int hdfsSetReplication(hdfsFS fs, const char* path, int16_t replication) {
  return Call("hdfsSetReplication", -1, [&]() -> absl::StatusOr<int> {
    ASSIGN_OR_RETURN(const Place place, Locate(fs, path));
    if (replication <= 0) {
      return absl::InvalidArgumentError(absl::StrCat("replication ", replication));
    }
    ASSIGN_OR_RETURN(const bool set,
                     place->SetReplication(place.path, static_cast<uint32_t>(replication)));
    if (!set) return absl::NotFoundError(absl::StrCat(place.path, ": no such file"));
    return 0;
  });
}

int hdfsChown(hdfsFS fs, const char* path, const char* owner, const char* group) {
  return Call("hdfsChown", -1, [&]() -> absl::StatusOr<int> {
    ASSIGN_OR_RETURN(const Place place, Locate(fs, path));
    if (owner == nullptr && group == nullptr) return 0;
    RETURN_IF_ERROR(
        place->SetOwner(place.path, owner == nullptr ? "" : owner, group == nullptr ? "" : group));
    return 0;
  });
}

int hdfsChmod(hdfsFS fs, const char* path, short mode) {
  return Call("hdfsChmod", -1, [&]() -> absl::StatusOr<int> {
    ASSIGN_OR_RETURN(const Place place, Locate(fs, path));
    RETURN_IF_ERROR(place->SetPermission(place.path, static_cast<uint16_t>(mode & 01777)));
    return 0;
  });
}

int hdfsUtime(hdfsFS fs, const char* path, tTime mtime, tTime atime) {
  return Call("hdfsUtime", -1, [&]() -> absl::StatusOr<int> {
    const auto time = [](tTime seconds) -> std::optional<absl::Time> {
      if (seconds == -1) return std::nullopt;
      return absl::FromTimeT(seconds);
    };
    ASSIGN_OR_RETURN(const Place place, Locate(fs, path));
    RETURN_IF_ERROR(place->SetTimes(place.path, time(mtime), time(atime)));
    return 0;
  });
}

char* hdfsGetWorkingDirectory(hdfsFS fs, char* buffer, size_t bufferSize) {
  return Call("hdfsGetWorkingDirectory", static_cast<char*>(nullptr),
              [&]() -> absl::StatusOr<char*> {
                ASSIGN_OR_RETURN(const auto instance, FindInstance(fs));
                if (buffer == nullptr) return absl::InvalidArgumentError("the buffer is NULL");
                const std::string uri = instance->UriOf(instance->working_directory());
                if (uri.size() >= bufferSize) {
                  return WithErrno(ENAMETOOLONG, absl::StrCat(uri, " needs a larger buffer"));
                }
                std::memcpy(buffer, uri.c_str(), uri.size() + 1);
                return buffer;
              });
}

int hdfsSetWorkingDirectory(hdfsFS fs, const char* path) {
  return Call("hdfsSetWorkingDirectory", -1, [&]() -> absl::StatusOr<int> {
    ASSIGN_OR_RETURN(const Place place, Locate(fs, path));
    place.instance->SetWorkingDirectory(place.path);
    return 0;
  });
}
