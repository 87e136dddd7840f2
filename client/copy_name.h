// client/copy_name.h - what the copy of a file in another form is called, beside the file:
// ".cairn-convert-INODE.PID.HOST". The name begins with a dot, so jobs that read the directory pass
// it over, and tells who makes it, so that what was left by one who was killed is found and removed
// (by `cairn ec -convert`). Streams of small files that grow make some, too (small_file_writer.h).
//
// Pure, but for CopyNameOf.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "client/types.h"

namespace cairn::client {

inline constexpr absl::string_view kCopyPrefix = ".cairn-convert-";

struct CopyName {
  uint64_t inode = 0;  // of the file that is converted
  pid_t pid = 0;
  std::string host;

  bool operator==(const CopyName&) const = default;
};

std::string ToName(const CopyName& copy);
// Of this process.
CopyName CopyNameOf(uint64_t inode);
// nullopt: it is no such name.
std::optional<CopyName> ParseCopyName(absl::string_view name);

// Whether the copy, found in a listing under `copy`, is of a converter that is gone. One of this
// host is if its process is; one of another, if nobody has written it for an hour: its writer would
// long have put it in its place.
bool IsLeftOver(const CopyName& copy, const FileStatus& found, absl::string_view this_host,
                const std::function<bool(pid_t)>& is_running, absl::Time now);

}  // namespace cairn::client
