#include "fuse/server_xattrs.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/fs_error.h"
#include "common/status_macros.h"
#include "fuse/xattr_names.h"

namespace cairn::fuse {
namespace {

absl::Status NotKept(absl::string_view name) {
  return MakeFsError(FsError::kUnsupported,
                     absl::StrCat(name, ": the server keeps no extended attributes"));
}

bool LacksTheCalls(const absl::Status& status) {
  const FsError error = GetFsError(status);
  return error == FsError::kNoSuchMethod || error == FsError::kNoSuchProtocol;
}

// dfs.namenode.xattrs.enabled: HDFS has no exception class for it, only a text.
bool AreOff(const absl::Status& status) {
  return GetFsError(status) == FsError::kIo &&
         absl::StrContains(status.message(), "Support for XAttrs has been disabled");
}

}  // namespace

absl::StatusOr<std::vector<client::Xattr>> ServerXattrs::GetAll(client::FileSystem& fs,
                                                                const std::string& path) {
  if (keeps_none_.load(std::memory_order_relaxed)) return std::vector<client::Xattr>();
  absl::StatusOr<std::vector<client::Xattr>> all = fs.GetXattrs(path);
  if (!LacksTheCalls(all.status()) && !AreOff(all.status())) return all;
  keeps_none_.store(true, std::memory_order_relaxed);
  return std::vector<client::Xattr>();
}

absl::StatusOr<std::optional<std::string>> ServerXattrs::Get(client::FileSystem& fs,
                                                             const std::string& path,
                                                             absl::string_view name) {
  const std::optional<client::Xattr> wanted = ToServerName(name);
  if (!wanted.has_value()) return std::nullopt;
  ASSIGN_OR_RETURN(std::vector<client::Xattr> all, GetAll(fs, path));
  for (client::Xattr& xattr : all) {
    if (xattr.space == wanted->space && xattr.name == wanted->name) return std::move(xattr.value);
  }
  return std::nullopt;
}

absl::StatusOr<std::vector<std::string>> ServerXattrs::List(client::FileSystem& fs,
                                                            const std::string& path) {
  const absl::StatusOr<std::vector<client::Xattr>> all = GetAll(fs, path);
  std::vector<std::string> names;
  // Elsewhere a listing needs no right to read: newer ls(1) make one of every file.
  if (absl::IsPermissionDenied(all.status())) return names;
  RETURN_IF_ERROR(all.status());
  for (const client::Xattr& xattr : *all) {
    std::optional<std::string> name = FromServerName(xattr);
    if (name.has_value()) names.push_back(*std::move(name));
  }
  return names;
}

absl::Status ServerXattrs::Set(client::FileSystem& fs, const std::string& path,
                               absl::string_view name, std::string value,
                               client::XattrSetting setting) {
  std::optional<client::Xattr> xattr = ToServerName(name);
  if (!xattr.has_value() || keeps_none_.load(std::memory_order_relaxed)) return NotKept(name);
  xattr->value = std::move(value);
  return Changed(fs.SetXattr(path, *xattr, setting), name);
}

absl::Status ServerXattrs::Remove(client::FileSystem& fs, const std::string& path,
                                  absl::string_view name) {
  const std::optional<client::Xattr> xattr = ToServerName(name);
  if (!xattr.has_value() || keeps_none_.load(std::memory_order_relaxed)) return NotKept(name);
  return Changed(fs.RemoveXattr(path, *xattr), name);
}

absl::Status ServerXattrs::Changed(absl::Status status, absl::string_view name) {
  if (LacksTheCalls(status)) {
    keeps_none_.store(true, std::memory_order_relaxed);
    return NotKept(name);
  }
  // No note is taken of a text: it may repeat a name, which anybody chooses, to everybody's harm.
  return AreOff(status) ? NotKept(name) : status;
}

}  // namespace cairn::fuse
