// wire/transfer/sign_of_life.h - telling a stopped node from a slow one.
//
// HDFS's nodes are silent while they wait for a disk, so whoever waits for them must be patient: a
// minute and more. Among Cairn's, the sender of a WRITE_BLOCK says how much silence it takes for
// death (signOfLifeMs), and the receiver, while it owes an answer, says every quarter of that time
// that it is still there:
//
//   before the reply to the set-up   a reply of STATUS_IN_PROGRESS
//   after it                         an acknowledgement numbered kSignOfLifeSeqno, one SUCCESS
//
// Each node speaks for itself alone: only the neighbour of a silent node hears nothing. A node that
// has got nowhere for the old, long limit stops giving signs: its disk is as good as dead. The
// reply says whether signs will come (signsOfLife); HDFS's nodes and clients neither ask nor give.
#pragma once

#include <algorithm>
#include <cstdint>

#include "absl/time/time.h"

namespace cairn::transfer {

inline constexpr absl::Duration kShortestSilence = absl::Milliseconds(100);
inline constexpr absl::Duration kLongestSilence = absl::Hours(1);

// The limit that a peer named; zero: it asks for no signs.
inline absl::Duration SilenceFromWire(uint32_t milliseconds) {
  if (milliseconds == 0) return absl::ZeroDuration();
  return std::clamp(absl::Milliseconds(milliseconds), kShortestSilence, kLongestSilence);
}
inline uint32_t SilenceToWire(absl::Duration limit) {
  return static_cast<uint32_t>(absl::ToInt64Milliseconds(std::min(limit, kLongestSilence)));
}

// How often to speak for somebody who takes `limit` of silence for death.
inline absl::Duration SignPeriod(absl::Duration limit) { return limit / 4; }

}  // namespace cairn::transfer
