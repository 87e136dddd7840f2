// fuse/told_xattrs.h - user.cairn.*: what the cluster knows of a file, as extended attributes that
// nobody has set.
//
//   user.cairn.inode      its id, in decimal
//   user.cairn.policy     "replicated 3", "erasure-coded RS-6-3-1024k"; of a directory what new
//                         files in it get, "replicated" if their maker says how often
//   of files only:
//   user.cairn.locations  a line for each block: its offset, length, name and datanodes
//   user.cairn.health     "healthy", or how many blocks are not, as far as the caller may know
//   user.cairn.checksum   its algorithm and bytes in hex, as `cairn dfs -checksum` shows them
//
// Values are texts without a newline at their end. The caller needs the right to read the file for
// what is of files only. Each value is asked for anew, and is not kept.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "client/admin_types.h"
#include "client/types.h"
#include "fuse/clients.h"

namespace cairn::fuse {

// Those that are cheap to tell: a listing names no checksum, or backup programs would have all of
// them computed.
std::vector<std::string> ToldNames(bool is_directory);

// Who only asks how long the value is: of a checksum, he hears a bound, and nothing is computed.
enum class Wanted { kValue, kSize };
using AdminMaker = std::function<absl::StatusOr<AdminPtr>()>;

// The attribute `name` of the inode `id`. nullopt: it has none of that name.
absl::StatusOr<std::optional<std::string>> Tell(client::FileSystem& fs, const AdminMaker& admin,
                                                uint64_t id, absl::string_view name, Wanted wanted);

// ---- The texts. Pure ----

// At most the 64 KiB that an attribute can have: the last line says where it ends, if it is before
// `file_bytes`.
std::string LocationsText(const std::vector<client::BlockLocation>& blocks, uint64_t file_bytes);
// A block that is being written is not looked at.
std::string HealthText(const client::FileReport& file);

}  // namespace cairn::fuse
