// common/testing/golden.h - files of tests/golden: bytes that a format's document shows.
#pragma once

#include <string>

#include "absl/strings/string_view.h"

namespace cairn {

// Of "replica/blk_1073741825". Below $CAIRN_SOURCE, as ctest sets it; else the test runs in the
// root of the repository.
std::string GoldenPath(absl::string_view name);

// All its bytes. A file that cannot be read ends the test program.
std::string ReadGolden(absl::string_view name);

}  // namespace cairn
