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

}  // namespace

bool ServerXattrs::KeepsNone(const absl::Status& status) {
  const FsError error = GetFsError(status);
  const bool unknown = error == FsError::kNoSuchMethod || error == FsError::kNoSuchProtocol;
  // dfs.namenode.xattrs.enabled
  const bool off = error == FsError::kUnsupported &&
                   absl::StrContains(status.message(), "Support for XAttrs has been disabled");
  if (unknown || off) keeps_none_.store(true, std::memory_order_relaxed);
  return unknown || off;
}

absl::StatusOr<std::vector<client::Xattr>> ServerXattrs::GetAll(client::FileSystem& fs,
                                                                const std::string& path) {
  if (keeps_none_.load(std::memory_order_relaxed)) return std::vector<client::Xattr>();
  absl::StatusOr<std::vector<client::Xattr>> all = fs.GetXattrs(path);
  if (KeepsNone(all.status())) return std::vector<client::Xattr>();
  return all;
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
  ASSIGN_OR_RETURN(const std::vector<client::Xattr> all, GetAll(fs, path));
  std::vector<std::string> names;
  for (const client::Xattr& xattr : all) {
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
  absl::Status status = fs.SetXattr(path, *xattr, setting);
  return KeepsNone(status) ? NotKept(name) : status;
}

absl::Status ServerXattrs::Remove(client::FileSystem& fs, const std::string& path,
                                  absl::string_view name) {
  const std::optional<client::Xattr> xattr = ToServerName(name);
  if (!xattr.has_value() || keeps_none_.load(std::memory_order_relaxed)) return NotKept(name);
  absl::Status status = fs.RemoveXattr(path, *xattr);
  return KeepsNone(status) ? NotKept(name) : status;
}

}  // namespace cairn::fuse
