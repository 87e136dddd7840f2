// What is there: listings, attributes, places of blocks, sizes.
#include <climits>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "hdfs/hdfs.h"
#include "libhdfs/call.h"
#include "libhdfs/errno.h"
#include "libhdfs/instance.h"

using namespace cairn::libhdfs;  // NOLINT: the names of C stand outside of it
using cairn::client::FileStatus;

namespace {

// Memory of malloc's that a caller will free.
template <typename T>
T* Allocate(size_t count) {
  void* const memory = std::calloc(count, sizeof(T));
  if (memory == nullptr) throw std::bad_alloc();
  return static_cast<T*>(memory);
}

char* Text(absl::string_view text, size_t more = 0) {
  char* const copy = Allocate<char>(text.size() + 1 + more);
  std::memcpy(copy, text.data(), text.size());
  return copy;
}

// hdfsFileInfo cannot grow: programs step through arrays of it by its size. What it has no member
// for stands behind the end of mOwner.
char* OwnerText(const FileStatus& status) {
  char* const owner = Text(status.owner, 1);
  owner[std::strlen(owner) + 1] = status.encrypted ? 1 : 0;
  return owner;
}

void Fill(const Instance& instance, const FileStatus& status, hdfsFileInfo& info) {
  info.mKind = status.is_directory() ? kObjectKindDirectory : kObjectKindFile;
  info.mName = Text(instance.UriOf(status.path));
  info.mLastMod = absl::ToTimeT(status.modified);
  info.mSize = status.is_directory() ? 0 : static_cast<tOffset>(status.length);
  info.mReplication = static_cast<short>(status.replication);
  info.mBlockSize = static_cast<tOffset>(status.block_bytes);
  info.mOwner = OwnerText(status);
  info.mGroup = Text(status.group);
  info.mPermissions = static_cast<short>(status.mode);
  info.mLastAccess = absl::ToTimeT(status.accessed);
}

struct FreeInfos {
  int count;
  void operator()(hdfsFileInfo* infos) const { hdfsFreeFileInfo(infos, count); }
};

hdfsFileInfo* ToInfos(const Instance& instance, const std::vector<FileStatus>& found) {
  std::unique_ptr<hdfsFileInfo, FreeInfos> infos(Allocate<hdfsFileInfo>(found.size()),
                                                 {static_cast<int>(found.size())});
  for (size_t i = 0; i < found.size(); ++i) Fill(instance, found[i], infos.get()[i]);
  return infos.release();
}

}  // namespace

hdfsFileInfo* hdfsListDirectory(hdfsFS fs, const char* path, int* numEntries) {
  bool listed = false;
  hdfsFileInfo* const infos =
      Call("hdfsListDirectory", static_cast<hdfsFileInfo*>(nullptr),
           [&]() -> absl::StatusOr<hdfsFileInfo*> {
             if (numEntries == nullptr) {
               return absl::InvalidArgumentError("there is no place for the number of entries");
             }
             *numEntries = 0;
             ASSIGN_OR_RETURN(const Place place, Locate(fs, path));
             ASSIGN_OR_RETURN(const std::vector<FileStatus> found, place->ListStatus(place.path));
             if (found.size() > INT_MAX) return WithErrno(EOVERFLOW, "more entries than an int");
             hdfsFileInfo* const array = found.empty() ? nullptr : ToInfos(*place.instance, found);
             *numEntries = static_cast<int>(found.size());
             listed = true;
             return array;
           });
  if (listed) errno = 0;
  return infos;
}

hdfsFileInfo* hdfsGetPathInfo(hdfsFS fs, const char* path) {
  return Call("hdfsGetPathInfo", static_cast<hdfsFileInfo*>(nullptr),
              [&]() -> absl::StatusOr<hdfsFileInfo*> {
                ASSIGN_OR_RETURN(const Place place, Locate(fs, path));
                ASSIGN_OR_RETURN(FileStatus status, place->Stat(place.path));
                return ToInfos(*place.instance, {std::move(status)});
              });
}

void hdfsFreeFileInfo(hdfsFileInfo* hdfsFileInfo, int numEntries) {
  if (hdfsFileInfo == nullptr) return;
  for (int i = 0; i < numEntries; ++i) {
    std::free(hdfsFileInfo[i].mName);
    std::free(hdfsFileInfo[i].mOwner);
    std::free(hdfsFileInfo[i].mGroup);
  }
  std::free(hdfsFileInfo);
}

int hdfsFileIsEncrypted(hdfsFileInfo* hdfsFileInfo) {
  return Call("hdfsFileIsEncrypted", -1, [&]() -> absl::StatusOr<int> {
    if (hdfsFileInfo == nullptr || hdfsFileInfo->mOwner == nullptr) {
      return absl::InvalidArgumentError("there is no file to tell about");
    }
    return hdfsFileInfo->mOwner[std::strlen(hdfsFileInfo->mOwner) + 1];
  });
}

namespace {

struct FreeHosts {
  void operator()(char*** blocks) const { hdfsFreeHosts(blocks); }
};

}  // namespace

char*** hdfsGetHosts(hdfsFS fs, const char* path, tOffset start, tOffset length) {
  return Call("hdfsGetHosts", static_cast<char***>(nullptr), [&]() -> absl::StatusOr<char***> {
    ASSIGN_OR_RETURN(const Place place, Locate(fs, path));
    if (start < 0 || length < 0) {
      return absl::InvalidArgumentError(absl::StrCat("start ", start, ", length ", length));
    }
    ASSIGN_OR_RETURN(const auto found,
                     place->GetBlockLocations(place.path, static_cast<uint64_t>(start),
                                              static_cast<uint64_t>(length)));
    std::unique_ptr<char**, FreeHosts> blocks(Allocate<char**>(found.size() + 1));
    for (size_t i = 0; i < found.size(); ++i) {
      blocks.get()[i] = Allocate<char*>(found[i].hosts.size() + 1);
      for (size_t j = 0; j < found[i].hosts.size(); ++j) {
        blocks.get()[i][j] = Text(found[i].hosts[j]);
      }
    }
    return blocks.release();
  });
}

void hdfsFreeHosts(char*** blockHosts) {
  if (blockHosts == nullptr) return;
  for (char*** block = blockHosts; *block != nullptr; ++block) {
    for (char** host = *block; *host != nullptr; ++host) std::free(*host);
    std::free(*block);
  }
  std::free(blockHosts);
}

tOffset hdfsGetDefaultBlockSize(hdfsFS fs) {
  return Call("hdfsGetDefaultBlockSize", tOffset{-1}, [&]() -> absl::StatusOr<tOffset> {
    ASSIGN_OR_RETURN(const auto instance, FindInstance(fs));
    return static_cast<tOffset>(instance->fs().options().block_bytes);
  });
}

tOffset hdfsGetDefaultBlockSizeAtPath(hdfsFS fs, const char* path) {
  return Call("hdfsGetDefaultBlockSizeAtPath", tOffset{-1}, [&]() -> absl::StatusOr<tOffset> {
    ASSIGN_OR_RETURN(const Place place, Locate(fs, path));
    return static_cast<tOffset>(place->options().block_bytes);
  });
}

tOffset hdfsGetCapacity(hdfsFS fs) {
  return Call("hdfsGetCapacity", tOffset{-1}, [&]() -> absl::StatusOr<tOffset> {
    ASSIGN_OR_RETURN(const auto instance, FindInstance(fs));
    ASSIGN_OR_RETURN(const auto stats, instance->fs().GetFsStats());
    return static_cast<tOffset>(stats.capacity);
  });
}

tOffset hdfsGetUsed(hdfsFS fs) {
  return Call("hdfsGetUsed", tOffset{-1}, [&]() -> absl::StatusOr<tOffset> {
    ASSIGN_OR_RETURN(const auto instance, FindInstance(fs));
    ASSIGN_OR_RETURN(const auto stats, instance->fs().GetFsStats());
    return static_cast<tOffset>(stats.used);
  });
}
