// fuse/server_xattrs.h - the extended attributes that the server keeps: an Apache HDFS does.
//
// A server that does not know the calls, or says when asked for some that they are switched off, is
// not asked again: after that its files have none, until the next mount.
// Names are the kernel's, and the server's by xattr_names.h. Thread-safe.
#pragma once

#include <atomic>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "client/file_system.h"

namespace cairn::fuse {

class ServerXattrs {
 public:
  // nullopt: the file has none of that name, or the caller may not see it.
  absl::StatusOr<std::optional<std::string>> Get(client::FileSystem& fs, const std::string& path,
                                                 absl::string_view name);
  // The names of those that the caller may see: none, if he may not read the file.
  absl::StatusOr<std::vector<std::string>> List(client::FileSystem& fs, const std::string& path);
  // kUnimplemented: the server keeps none. Else Hadoop's words tell: fuse/errno.h.
  absl::Status Set(client::FileSystem& fs, const std::string& path, absl::string_view name,
                   std::string value, client::XattrSetting setting);
  absl::Status Remove(client::FileSystem& fs, const std::string& path, absl::string_view name);

 private:
  // Empty if the server keeps none.
  absl::StatusOr<std::vector<client::Xattr>> GetAll(client::FileSystem& fs,
                                                    const std::string& path);
  // A change of `name` has ended so.
  absl::Status Changed(absl::Status status, absl::string_view name);

  std::atomic<bool> keeps_none_ = false;
};

}  // namespace cairn::fuse
