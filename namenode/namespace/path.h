// namenode/namespace/path.h - absolute paths as clients send them, checked and split once.
//
// Rules are HDFS's: absolute, no empty, "." or ".." component, no ':' or NUL in a component; one
// trailing '/' is tolerated. In /.reserved/.inodes/ID/.. the directory of an inode has its place.
// Limits are HDFS's too. Names are UTF-8: where HDFS silently stores something else for bytes that
// are not, they are refused here.
#pragma once

#include <cstddef>

#include "absl/container/inlined_vector.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace cairn::namenode {

inline constexpr size_t kMaxPathBytes = 8000;
inline constexpr size_t kMaxPathComponents = 1000;
inline constexpr size_t kMaxNameBytes = 255;

// Views into the text it was parsed from.
struct Path {
  absl::string_view text;
  absl::InlinedVector<absl::string_view, 16> components;  // empty: the root

  bool is_root() const { return components.empty(); }
  absl::string_view leaf() const { return components.back(); }
};

// FsError::kInvalidPath names the path (shortened if it is long) and the rule. A component longer
// than kMaxNameBytes parses: only making such a name is an error (CheckNewName).
absl::StatusOr<Path> ParsePath(absl::string_view text);

// FsError::kNameTooLong, as HDFS words it; kInvalidPath for reserved names.
absl::Status CheckNewName(absl::string_view name, absl::string_view parent_path);

// FsError::kInvalidPath, as ParsePath's, if something at `text` would be deeper in the tree than
// kMaxPathComponents: a path that begins at an inode does not show how deep it ends.
absl::Status CheckDepth(absl::string_view text, size_t depth);

// `text` cut to a printable length for messages and logs.
absl::string_view ForMessage(absl::string_view text);

}  // namespace cairn::namenode
