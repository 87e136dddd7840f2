// namenode/store/golden_records_testing.h - the store's records in tests/golden/store, for tests.
#pragma once

#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/check.h"
#include "common/testing/golden.h"

namespace cairn::namenode {

struct GoldenRecord {
  std::string what;  // as keys::Readable says
  std::string key, value;
};

// Of a file there, in its order: lines of "what|key|value" in hexadecimal; those with '#' are
// skipped.
inline std::vector<GoldenRecord> ReadGoldenRecords(absl::string_view file) {
  std::vector<GoldenRecord> records;
  const std::string text = ReadGolden(absl::StrCat("store/", file));
  for (const absl::string_view line : absl::StrSplit(text, '\n', absl::SkipEmpty())) {
    if (line[0] == '#') continue;
    const std::vector<std::string> parts = absl::StrSplit(line, '|');
    CHECK_EQ(parts.size(), 3u) << line;
    records.push_back(
        {parts[0], absl::HexStringToBytes(parts[1]), absl::HexStringToBytes(parts[2])});
  }
  return records;
}

}  // namespace cairn::namenode
