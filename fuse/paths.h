// fuse/paths.h - how the mount names things to the cluster: by inode id, never by the path that led
// there. docs/decisions/0015-mount.md says why.
#pragma once

#include <cstdint>
#include <string>

#include "absl/algorithm/container.h"
#include "absl/random/random.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"

namespace cairn::fuse {

inline constexpr size_t kMaxNameBytes = 255;  // HDFS's bound, and Linux's

inline std::string PathOf(uint64_t inode) { return absl::StrCat("/.reserved/.inodes/", inode); }

inline std::string ChildPath(uint64_t parent, absl::string_view name) {
  return absl::StrCat("/.reserved/.inodes/", parent, "/", name);
}

// Where an open file goes when its name is removed, in the same directory.
inline std::string HiddenName(uint64_t inode) {
  return absl::StrCat(".fuse_hidden", absl::Hex(inode, absl::kZeroPad16));
}

// Of a file with the changed bytes of an open file, until they are its own; in the same directory.
inline std::string StagedName(uint64_t inode) {
  absl::BitGen random;
  return absl::StrCat(".cairn_stage", absl::Hex(inode, absl::kZeroPad16), "_",
                      absl::Hex(absl::Uniform<uint64_t>(random), absl::kZeroPad16));
}

// Whether `path` ends with such a name: nobody else's file has one.
inline bool IsStagedPath(absl::string_view path) {
  const absl::string_view::size_type slash = path.rfind('/');
  absl::string_view name = slash == path.npos ? path : path.substr(slash + 1);
  if (!absl::ConsumePrefix(&name, ".cairn_stage") || name.size() != 33 || name[16] != '_') {
    return false;
  }
  return absl::c_all_of(absl::StrCat(name.substr(0, 16), name.substr(17)), absl::ascii_isxdigit);
}

}  // namespace cairn::fuse
