#include "common/testing/golden.h"

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "common/check.h"

namespace cairn {

std::string GoldenPath(absl::string_view name) {
  const char* const source = std::getenv("CAIRN_SOURCE");
  return absl::StrCat(source == nullptr ? "." : source, "/tests/golden/", name);
}

std::string ReadGolden(absl::string_view name) {
  const std::string path = GoldenPath(name);
  std::ifstream in(path, std::ios::binary);
  CHECK(in.is_open()) << path << ": run by ctest, or from the root of the repository";
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

}  // namespace cairn
