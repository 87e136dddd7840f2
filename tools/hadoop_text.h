// tools/hadoop_text.h - numbers, times and names as Hadoop's tools print them: scripts read them.
//
// Names of files, clients and users are chosen by anybody: in text they go through Escaped
// (common/logging.h).
#pragma once

#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "client/types.h"
#include "common/logging.h"

namespace cairn::tools {

// A Java float: "100.0", "33.333332", "1.0E10".
std::string JavaFloat(float value);
// "12 (50.0 %)": a part of a whole; without the bracket when the whole is nothing.
std::string CountWithShare(uint64_t part, uint64_t whole);
// "Sun Nov 29 08:30:00 UTC 2026", in the local zone.
std::string JavaDate(absl::Time time);
const char* StorageTypeName(client::StorageType type);  // "DISK"

}  // namespace cairn::tools
