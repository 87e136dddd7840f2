// namenode/offline/restore.h - brings a namenode's directory back to an earlier transaction, or
// forward to the last one that can be read: from a store or checkpoint, and the journal after it.
//
//   plan   reads and judges, changes nothing
//   act    DIR/restore.tmp/   the new store, journal and first checkpoint are made here, synced; of
//   a
//                             rollback also VERSION, and an empty file ROLLBACK
//          DIR/RESTORE        written durably: from here on the restore happens
//          renames            old ones to DIR/aside-<time>/, new ones to their places; RESTORE goes
//
// A kill before RESTORE leaves the old state; a kill after it is made up for by FinishRestore,
// which every start calls. Nothing is deleted: what the directory held lies in DIR/aside-<time>,
// from which another restore can go on.
//
// What was given out once is never given out again: transactions, inode ids, block ids and stamps
// are numbered on behind all that the dropped edits used, as far as they can be read, and far
// behind where they cannot. Replicas of blocks that the dropped edits made are left alone on the
// datanodes until NamenodeImpl::FinalizeRestore.
//
// The namenode must not run; the caller holds the directory's lock.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/clock.h"
#include "common/ids.h"
#include "common/io/file_system.h"
#include "namenode/checkpoint/checkpoint.h"
#include "namenode/journal/journal_reader.h"
#include "namenode/namespace/tree.h"

namespace cairn::namenode {

struct RestoreRequest {
  std::string directory;  // the namenode's
  std::string source;  // another one to take state and journal from, such as an aside-...; empty:
                       // `directory`
  // The journal's directories, of which the best is taken; empty, or with a source: its own.
  std::vector<std::string> journals;
  std::string cluster_id, block_pool_id;
  uint32_t layout_version = 0;
  // At most one: the last edit to apply, or the time after which none is. Neither: as far as the
  // journal can be read.
  std::optional<TxId> to_txid;
  std::optional<absl::Time> to_time;
  // The source's store may be what to begin with, as long as it opens; false: a checkpoint.
  bool from_store = false;
  // Not empty: a rollback. The text of VERSION to go with it; previous/ goes aside with the rest.
  std::string version;
  uint64_t journal_segment_bytes = uint64_t{64} << 20;
};

struct RestorePlan {
  std::string base;       // the store to begin with
  std::string base_name;  // for people
  std::string journal;    // the directory that is read
  TxId base_txid = kNoTx;
  TxId target = kNoTx;                   // the last edit that is in the result
  std::vector<std::string> passed_over;  // better beginnings that are of no use, and why
  std::vector<JournalDamage> damage;     // after the base

  std::vector<JournalDamage> harmless;  // damage before that: the base is past it
  bool sound = false;                   // the base is the store as it is, and nothing is damaged

  // Edits after `target` that can be read.
  struct Dropped {
    uint64_t count = 0;
    TxId first = kNoTx, last = kNoTx;
    absl::Time first_time, last_time;
    std::map<std::string, uint64_t> kinds;
    // Files that the result has as they were before they were converted. The blocks that they have
    // then were deleted a minute after.
    uint64_t converted = 0;
    // Likewise, before they were truncated inside a block group: that group is not there any more.
    uint64_t truncated = 0;
  } dropped;

  // Behind all that was ever given out.
  Tree::Counters behind{};
  TxId last_txid = kNoTx;
  uint64_t left_alone_from = 0;

  // Whether the result holds less than the directory does, as far as is known.
  bool loses() const { return dropped.count > 0 || !damage.empty(); }
};

// kFailedPrecondition: the target cannot be reached, and why.
absl::StatusOr<RestorePlan> PlanRestore(FileSystem& files, const RestoreRequest& request);
// Several lines: what is begun with, what is applied, what is lost, what becomes of replicas.
std::string DescribeRestore(const RestorePlan& plan);
// Returns the directory in which the old state now lies.
absl::StatusOr<std::string> Restore(FileSystem& files, Clock& clock, const RestoreRequest& request,
                                    const RestorePlan& plan);

// Whether one was cut off after its decision. VERSION may be missing then.
bool IsRestoreDecided(FileSystem& files, const std::string& directory);
// Completes a restore that was cut off after its decision, and removes what is left of one that was
// cut off before. Returns whether there was anything to complete.
absl::StatusOr<bool> FinishRestore(FileSystem& files, const std::string& directory);

}  // namespace cairn::namenode
