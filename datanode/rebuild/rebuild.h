// datanode/rebuild/rebuild.h - computing lost units of a block group from others, and sending them
// where they are to be.
//
//   k sources --READ_BLOCK--> a piece of each --Coder::Rebuild--> pieces --WRITE_BLOCK--> targets
//   one more  --READ_BLOCK--> a piece <------- must be equal ---- piece
//
// Bytes at one offset of all units belong together, whatever the cells are, and beyond its end a
// unit counts as zeros (erasure/layout.h): so all units are gone through in step, a piece at a
// time, as far as the longest goes.
//
// A unit is registered only if it was checked. Checksums tell that bytes are as they were written,
// not that they were right: with one more source than is needed, what the others say it should be
// is compared with it, byte for byte. With exactly as many as are needed there is nothing to
// compare with: any bytes in the sources give some group. All that is known then is that a unit
// computed is zeros beyond its end, and that is checked always. No target is told that its unit
// ends before all bytes of all units were compared.
//
// Where they contradict each other, that piece of all other units that are there is read as well.
// If it is one unit's bytes alone that the others contradict (erasure/find_wrong_unit.h says when
// that can be known), and it has the same bytes when it is read again, the rebuild goes on without
// it. It is reported, as wrong, only if the others agree to their end; until then there must be one
// to compare with, and no second contradiction: with two wrong units nothing is sure. If nobody can
// be named, nobody gets anything.
//
// A source that cannot be read, is slow, or does not match its checksums, gives way to another one
// from the same piece on, at last to the one that was to be compared with: an unchecked unit is
// better than none, as long as nothing is known to be wrong. Its datanode is told of bad checksums,
// looks at its disk, and reports what it finds. A target that is slow is given up.
//
// A new group that is the beginning of another one (a file is truncated inside it) is made in the
// same way: the sources are units of the longer one, and go as far as the new one's longest unit
// does. What they say its data units are is cut where the new group's end, and the parity of the
// new one computed from that: it differs in the last stripe.
//
//   sources --> data units of the longer one --cut--> data units --Coder--> parity --> targets
//
// No unit of a longer group is reported as wrong on the ground of its beginning.
//
// Memory: a piece for each unit that is read or written, and two more; while a contradiction is
// looked into (culprit.h) those that are read are all that are there, and one more. A piece is
// kRebuildPieceBytes, or one chunk under a checksum if those are larger (1 MiB at most). A source
// whose packets do not fit pieces, which are whole packets with the usual chunks, costs one packet
// more (UnitReader). How many rebuilds run at a time is the namenode's to limit, as with copies.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "datanode/pipeline/async.h"
#include "datanode/pipeline/context.h"
#include "datanode/rebuild/rebuild_order.h"
#include "datanode/rebuild/unit_sink.h"

namespace cairn::datanode {

inline constexpr size_t kRebuildPieceBytes = size_t{256} << 10;

struct RebuildOutcome {
  // By target: whether its datanode has a finalized replica of the unit. One that fails alone
  // leaves the others what they are. kDataLoss: units contradict each other and none could be
  // named, or the last source that could be read has a bad checksum; kInternal: this datanode
  // computes wrongly; kCancelled: `stopping` said so; others are those of sources or targets.
  std::vector<absl::Status> targets;
  // A source whose bytes match their checksums and are wrong, whatever has become of the targets.
  struct WrongUnit {
    uint32_t unit = 0;
    std::string why;
  };
  std::optional<WrongUnit> wrong;
};

// `stopping` is asked before each step that waits for a source or a target. A wait itself ends with
// TransferContext::outgoing_stop. Runs on one thread, that of the executor, and computes there.
// Bytes go where `open` says, whatever address their targets have. All outlive the coroutine.
awaitable<RebuildOutcome> ComputeUnits(TransferContext& context, const RebuildOrder& order,
                                       const OpenSink& open, const std::function<bool()>& stopping);
// The same, to the datanodes that the order names.
awaitable<RebuildOutcome> RebuildUnits(TransferContext& context, RebuildOrder order,
                                       std::function<bool()> stopping);

}  // namespace cairn::datanode
