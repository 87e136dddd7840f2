// client/visible_length.h - how long a block is that is being written, as its datanodes tell.
//
// The last node of a pipeline has acknowledged a packet before the first one has: what one of them
// calls visible another one may not yet, and the writer has not heard of it. What all that answer
// call so grows only. A replica whose datanode was stopped while it was written may lack what was
// acknowledged, and one that is shorter than the namenode knows does: they count where there is no
// other, and the longest of them then, as in recovery.
//
// All are asked at the same time, every time. One that hangs is not waited for much longer than the
// others take, and once it has been found to hang, hardly at all for some seconds (silent_nodes.h);
// but whatever it tells by then counts, and after these seconds it has its full time again: one
// that is only slow is not left out for ever.
#pragma once

#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client/context.h"
#include "proto/hdfs/types.pb.h"

namespace cairn::client {

struct LengthPatience {
  // For each, while none has told a length that counts: a datanode tells it from memory.
  absl::Duration first = absl::Seconds(3);
  absl::Duration others = absl::Milliseconds(500);  // once one has, for the rest
  // The same for those that were silent lately: an answer that is on its way is not to be missed,
  // for the length must not shrink when it comes the next time.
  absl::Duration silent = absl::Milliseconds(20);
};

// kReplicaNotFound: no datanode that answers has the replica, under this stamp, of a block with
// bytes. kUnavailable, kDeadlineExceeded or others: none could tell; if `patient`, those that are
// silent have been waited for as long as the options say.
absl::StatusOr<uint64_t> AskVisibleLength(ClientContext& context,
                                          const hdfs::LocatedBlockProto& block, bool patient,
                                          const LengthPatience& patience = {});

}  // namespace cairn::client
