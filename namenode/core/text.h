// namenode/core/text.h - names that callers send and that go into the journal.
//
// An edit must come out of the journal as it went in: its string fields hold UTF-8, and it has a
// largest size (kMaxEditBytes), which CHECKs would enforce. So both are asked here, before.
#pragma once

#include <algorithm>
#include <cstddef>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "common/fs_error.h"
#include "common/utf8.h"
#include "namenode/lease/lease_manager.h"

namespace cairn::namenode {

inline constexpr size_t kMaxClientNameBytes = 1024;  // real ones have some sixty
inline constexpr size_t kMaxOwnerBytes = 256;        // a user or a group

// FsError::kIllegalArgument: it cannot hold a lease.
inline absl::Status CheckClientName(absl::string_view name) {
  if (!name.empty() && name.size() <= kMaxClientNameBytes && IsUtf8(name) &&
      !LeaseManager::IsReservedHolder(name)) {
    return absl::OkStatus();
  }
  return MakeFsError(FsError::kIllegalArgument,
                     absl::StrCat("not a client name: \"", ToUtf8(name.substr(0, 100)), "\""));
}

// FsError::kIllegalArgument: it cannot own a file. Empty is fine: it means "as it is". Control
// characters, which HDFS takes, would tear the lines of whatever prints it.
inline absl::Status CheckOwnerName(absl::string_view name) {
  const bool printable = std::none_of(name.begin(), name.end(), [](char c) {
    return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
  });
  if (printable && name.size() <= kMaxOwnerBytes && IsUtf8(name)) return absl::OkStatus();
  return MakeFsError(FsError::kIllegalArgument,
                     absl::StrCat("not the name of a user or a group: \"",
                                  absl::Utf8SafeCEscape(ToUtf8(name.substr(0, 100))), "\""));
}

}  // namespace cairn::namenode
