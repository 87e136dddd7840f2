// namenode/service/rpc/below.h - the filter "only what is below this path" of operators' calls.
#pragma once

#include "absl/strings/string_view.h"

namespace cairn::namenode {

// Whether `path` is `directory` or below it; a slash at the end of `directory` does not matter, and
// all is below "/" and "".
inline bool IsBelow(absl::string_view path, absl::string_view directory) {
  if (!directory.empty() && directory.back() == '/') directory.remove_suffix(1);
  return path.substr(0, directory.size()) == directory &&
         (path.size() == directory.size() || path[directory.size()] == '/');
}

}  // namespace cairn::namenode
