// common/testing/temp_dir.h - a fresh directory for one test, removed with all it holds at its end.
#pragma once

#include <string>

#include "absl/strings/string_view.h"

namespace cairn {

class TempDir {
 public:
  TempDir();  // under $TMPDIR, else /tmp; a failure to make it ends the test program
  ~TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  const std::string& path() const { return path_; }
  std::string Path(absl::string_view name) const;  // path() + "/" + name

 private:
  std::string path_;
};

}  // namespace cairn
