// datanode/rebuild/culprit.h - sources of a rebuild contradict each other: which one is wrong?
//
// The piece in which they do is read of all other units that are there, and the one named that all
// others contradict (erasure/find_wrong_unit.h says when that can be known), if it has the same
// bytes when it is read again: else it may have been this machine that changed them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "datanode/pipeline/async.h"
#include "datanode/pipeline/context.h"
#include "datanode/rebuild/reading.h"
#include "datanode/rebuild/rebuild_order.h"
#include "erasure/coder.h"

namespace cairn::datanode {

struct Contradiction {
  absl::Status what;
  uint64_t offset = 0;  // of the piece
  size_t bytes = 0;
  std::vector<Reading> read;             // that have the piece
  std::deque<const UnitSource*> unread;  // the others
  std::span<const std::byte> zeros;      // a piece, if some data units have no bytes
};

struct Culprit {
  uint32_t unit = 0;
  TransferAddress address;
  std::string why;
  // All others that are there, with their piece, in which they agree: one more than are needed, or
  // more.
  std::vector<Reading> others;
};

// kDataLoss: nobody can be named, and why; kInternal: looked at again they agree; kCancelled:
// `stopping` said so. Holds another piece while one is read again.
awaitable<absl::StatusOr<Culprit>> FindCulprit(const TransferContext& context,
                                               const RebuildOrder& order,
                                               const erasure::Coder& coder,
                                               const std::function<bool()>& stopping,
                                               Contradiction contradiction);

}  // namespace cairn::datanode
