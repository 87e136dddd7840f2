// client/located_file.h - where the blocks of one file are, as far as a reader has asked.
//
// Locations are fetched a stretch at a time and kept; a range is asked for again when its replicas
// have failed. What is told of another file, which has come under the path meanwhile, is refused.
// One that was converted, replicated to erasure-coded or back, has the same bytes in other blocks:
// those that were known are forgotten then.
// Also remembers which datanodes failed this reader. Thread-safe; calls the namenode without its
// lock held.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client/context.h"
#include "client/input_stream.h"
#include "client/seen_blocks.h"
#include "client/striping.h"
#include "common/mutex.h"
#include "proto/hdfs/types.pb.h"

namespace cairn::client {

using BlockPtr = std::shared_ptr<const hdfs::LocatedBlockProto>;

// Both as one answer told them: a length counts as the last one only with the flag of its moment.
struct KnownBlock {
  BlockPtr block;
  bool being_written = false;                          // its replicas may have more by now
  std::shared_ptr<const Striping> striping = nullptr;  // of a group; null: a block
};

class LocatedFile {
 public:
  // `last_block_pause`: between questions for the locations of a last block that has none.
  LocatedFile(std::shared_ptr<ClientContext> context, std::string path,
              absl::Duration last_block_pause = absl::Seconds(4));

  // Asks for the first stretch of blocks and the length; again: for what has changed. kUnavailable:
  // no datanode could tell the length of an open file; all that are silent have been waited for, or
  // for some seconds only if not `patient`. kAborted with kChanged: the path is of another file by
  // now, or of other contents; all stays as it was.
  absl::Status Refresh(bool patient = true) ABSL_LOCKS_EXCLUDED(mu_);
  uint64_t length() const ABSL_LOCKS_EXCLUDED(mu_);
  std::optional<ContentsId> contents() const ABSL_LOCKS_EXCLUDED(mu_);

  // The block that holds the byte at `offset` < length(); `fresh`: as the namenode knows it now.
  // kAborted with kChanged as above.
  absl::StatusOr<KnownBlock> BlockAt(uint64_t offset, bool fresh) ABSL_LOCKS_EXCLUDED(mu_);

  // The first location that has not failed, or null: those of this machine first, which the
  // namenode does too, but it knows a reader by one address only; those that cost another stream
  // seconds lately last.
  const hdfs::DatanodeInfoProto* ChooseNode(const hdfs::LocatedBlockProto& block) const
      ABSL_LOCKS_EXCLUDED(mu_);
  // That one, and after it, in the same order, those that may be asked beside it. Not without the
  // costly ones: where the first hangs, what was slow a moment ago is better than nobody. They are
  // of `block`.
  std::vector<const hdfs::DatanodeInfoProto*> ChooseNodes(
      const hdfs::LocatedBlockProto& block) const ABSL_LOCKS_EXCLUDED(mu_);
  // It is not chosen for so long, or until ForgetDead.
  void NoteDead(const hdfs::DatanodeIDProto& node, absl::Duration life = absl::InfiniteDuration())
      ABSL_LOCKS_EXCLUDED(mu_);
  // Its replica of this block has failed, and nothing else is held against it.
  void NoteBad(const hdfs::DatanodeIDProto& node, uint64_t block_id) ABSL_LOCKS_EXCLUDED(mu_);
  void ForgetDead() ABSL_LOCKS_EXCLUDED(mu_);  // and bad

 private:
  // A location that has not failed, and what it ranks by, the least first.
  struct Candidate {
    const hdfs::DatanodeInfoProto* node = nullptr;
    absl::Duration costly_until;
    bool is_remote = false;
    bool operator<(const Candidate& other) const;
  };
  std::vector<Candidate> Candidates(const hdfs::LocatedBlockProto& block) const
      ABSL_LOCKS_EXCLUDED(mu_);
  absl::StatusOr<hdfs::LocatedBlocksProto> Fetch(uint64_t offset, uint64_t length);
  // An answer of the same file, and in which form, by form_, it shows it.
  struct Found {
    hdfs::LocatedBlocksProto blocks;
    int form = 0;
  };
  absl::StatusOr<Found> FetchSame(uint64_t offset) ABSL_LOCKS_EXCLUDED(mu_);
  // Whether `found`, asked for when form_ was `form`, shows the same bytes in another form.
  bool IsConverted(const hdfs::LocatedBlocksProto& found, int form) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // If so, it is what is known from now on.
  absl::StatusOr<bool> TakeConverted(const hdfs::LocatedBlocksProto& found, int form)
      ABSL_LOCKS_EXCLUDED(mu_);
  // Of the first answer that shows a block. kAborted with kChanged: a later one tells another.
  absl::Status NoteStriping(const hdfs::LocatedBlocksProto& found) ABSL_LOCKS_EXCLUDED(mu_);
  absl::Status Changed() const;
  // kAborted with kChanged: `found` is not of the file that was opened. May ask once more.
  absl::Status CheckIsSame(const hdfs::LocatedBlocksProto& found) ABSL_LOCKS_EXCLUDED(mu_);
  // Notes what it shows, and how its bytes are known.
  void NoteSeen(const hdfs::LocatedBlocksProto& found) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // All but the last block of an open file.
  void Keep(const hdfs::LocatedBlocksProto& found) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // That its node is dead, or it is bad itself.
  bool HasFailed(const std::string& uuid, uint64_t block_id) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // The last block, if it has been kept.
  void RenewLast(const hdfs::LocatedBlocksProto& found) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const std::shared_ptr<ClientContext> context_;
  const std::string path_;
  const absl::Duration last_block_pause_;
  mutable Mutex mu_;
  uint64_t length_ ABSL_GUARDED_BY(mu_) = 0;
  std::optional<ContentsId> contents_ ABSL_GUARDED_BY(mu_);
  std::map<uint64_t, KnownBlock> blocks_ ABSL_GUARDED_BY(mu_);  // by offset in the file
  SeenBlocks seen_ ABSL_GUARDED_BY(mu_);
  bool striping_is_known_ ABSL_GUARDED_BY(mu_) = false;
  std::shared_ptr<const Striping> striping_ ABSL_GUARDED_BY(mu_);  // null: replicated
  int form_ ABSL_GUARDED_BY(mu_) = 0;        // grows with each conversion; blocks_ are all of it
  uint64_t told_ ABSL_GUARDED_BY(mu_) = 0;   // LocatedBlocksProto::contents of the last answer
  uint64_t bytes_ ABSL_GUARDED_BY(mu_) = 0;  // the same, or what it was before conversions
  // By datanode uuid, until when on the clock.
  absl::flat_hash_map<std::string, absl::Duration> dead_ ABSL_GUARDED_BY(mu_);
  absl::flat_hash_set<std::pair<std::string, uint64_t>> bad_ ABSL_GUARDED_BY(mu_);  // and block ids
};

}  // namespace cairn::client
