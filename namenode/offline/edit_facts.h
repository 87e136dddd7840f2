// namenode/offline/edit_facts.h - what tools want to know of a journal's record.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/ids.h"
#include "proto/edit.pb.h"

namespace cairn::namenode {

// kDataLoss: no edit.
absl::StatusOr<edit::Edit> ParseEdit(TxId txid, absl::string_view data);
// The name of its change, such as "create_file"; "unknown" of a later version's.
std::string KindOf(const edit::Edit& edit);
inline absl::Time TimeOf(const edit::Edit& edit) {
  return absl::FromUnixMillis(static_cast<int64_t>(edit.time_ms()));
}

}  // namespace cairn::namenode
