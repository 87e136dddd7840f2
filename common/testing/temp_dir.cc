#include "common/testing/temp_dir.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "common/check.h"

namespace cairn {

TempDir::TempDir() {
  const char* const base = std::getenv("TMPDIR");
  path_ = absl::StrCat(base != nullptr && *base != '\0' ? base : "/tmp", "/cairn-test-XXXXXX");
  CHECK(::mkdtemp(path_.data()) != nullptr) << path_ << ": " << std::strerror(errno);
}

TempDir::~TempDir() {
  std::error_code ignored;  // litter in /tmp is no reason to fail a test
  std::filesystem::remove_all(path_, ignored);
}

std::string TempDir::Path(absl::string_view name) const { return absl::StrCat(path_, "/", name); }

}  // namespace cairn
