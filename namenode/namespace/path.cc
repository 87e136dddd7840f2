#include "namenode/namespace/path.h"

#include "absl/strings/str_cat.h"
#include "common/fs_error.h"
#include "common/status_macros.h"
#include "common/utf8.h"

namespace cairn::namenode {
namespace {

absl::Status Invalid(absl::string_view text, absl::string_view rule) {
  return MakeFsError(FsError::kInvalidPath,
                     absl::StrCat("Invalid path name ", ForMessage(text), ": ", rule));
}

// Whether what has been parsed so far is /.reserved/.inodes/ID.
bool IsInode(const Path& path) {
  return path.components.size() == 3 && path.components[0] == ".reserved" &&
         path.components[1] == ".inodes";
}

}  // namespace

absl::string_view ForMessage(absl::string_view text) { return text.substr(0, 512); }

absl::StatusOr<Path> ParsePath(absl::string_view text) {
  if (text.empty() || text[0] != '/') return Invalid(text, "it must be absolute");
  if (text.size() > kMaxPathBytes) {
    return Invalid(text, absl::StrCat("longer than ", kMaxPathBytes, " bytes"));
  }
  if (!IsUtf8(text)) return Invalid(text, "it is not UTF-8");
  Path path;
  path.text = text;
  size_t begin = 1;
  while (begin < text.size()) {
    size_t end = text.find('/', begin);
    if (end == absl::string_view::npos) end = text.size();
    const absl::string_view name = text.substr(begin, end - begin);
    if (name.empty()) return Invalid(text, "a component is empty");
    const bool is_parent = name == ".." && IsInode(path);
    if (name == "." || (name == ".." && !is_parent)) {
      return Invalid(text, "a component is . or ..");
    }
    if (name.find_first_of(absl::string_view(":\0", 2)) != absl::string_view::npos) {
      return Invalid(text, "a component has a ':' or a zero byte");
    }
    path.components.push_back(name);
    RETURN_IF_ERROR(CheckDepth(text, path.components.size()));
    begin = end + 1;
  }
  return path;
}

absl::Status CheckDepth(absl::string_view text, size_t depth) {
  if (depth <= kMaxPathComponents) return absl::OkStatus();
  return Invalid(text, absl::StrCat("more than ", kMaxPathComponents, " components"));
}

absl::Status CheckNewName(absl::string_view name, absl::string_view parent_path) {
  if (name.size() > kMaxNameBytes) {
    return MakeFsError(
        FsError::kNameTooLong,
        absl::StrCat("The maximum path component name limit of ", ForMessage(name),
                     " in directory ", ForMessage(parent_path),
                     " is exceeded: limit=", kMaxNameBytes, " length=", name.size()));
  }
  if (name == ".snapshot" || (name == ".reserved" && parent_path == "/")) {
    return MakeFsError(FsError::kInvalidPath, absl::StrCat("\"", name, "\" is a reserved name."));
  }
  return absl::OkStatus();
}

}  // namespace cairn::namenode
