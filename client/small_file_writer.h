// client/small_file_writer.h - writes a file of an erasure coding policy that may stay small: it is
// replicated then, with one block in place of a group's 1 + m units.
//
// Keeps what is written in memory until it knows:
//
//   end, flush or EndBlock at no more than `most_bytes`   a block with replicas gets the bytes, and
//                                                         what follows, as long as it is small
//   more, and there is no block yet    the namenode has the file erasure-coded from then on
//                                      (codeSmallFile), and the bytes go to its first group
//   more, and there are blocks         the bytes so far go to a closed copy beside the file
//                                      (copy_name.h), whose blocks the file gets by the same call;
//                                      the next bytes begin a group
//
// A file that cannot be coded (too few datanodes, the policy is not enabled any more, no right to
// make the copy, reads that are not checked) stays replicated however long it gets, and
// `cairn ec -convert` does it later. What was flushed is in the old blocks until it is in the new
// ones, and the lease is held all the time.
//
// Memory: up to `most_bytes` of the bytes, until it is decided; then that of the other writers.
// Not thread-safe; the output stream serializes.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "client/file_writer.h"
#include "client/pipeline.h"
#include "client/striped_file_writer.h"
#include "client/striping.h"
#include "client/types.h"

namespace cairn::client {

class SmallFileWriter final : public FileWriter {
 public:
  // A file that is small: `status` is the namenode's, of not more than `most_bytes`. `striping`:
  // how it is coded when it has grown. `file` and `aborted` outlive this. When *aborted becomes
  // true, waits end with kAborted.
  SmallFileWriter(const WrittenFile& file, const FileStatus& status,
                  std::shared_ptr<const Striping> striping, uint64_t most_bytes,
                  const std::atomic<bool>& aborted);

  absl::Status Continue(const hdfs::LocatedBlockProto& block, bool new_block) override;
  absl::Status Write(std::span<const std::byte> data) override;
  absl::Status Flush(bool sync) override;
  absl::Status EndBlock() override;
  const hdfs::ExtendedBlockProto* last_block() const override {
    return writer_ == nullptr ? nullptr : writer_->last_block();
  }
  bool HasUnsent() const override { return writer_ != nullptr && writer_->HasUnsent(); }
  bool Serve(bool idle) override { return writer_ != nullptr && writer_->Serve(idle); }

 private:
  class Copy;

  // With replicas, and all that is in memory.
  absl::Status StartBlocks();
  absl::Status Use(std::unique_ptr<FileWriter> writer);
  std::unique_ptr<FileWriter> NewReplicated() const;
  std::unique_ptr<FileWriter> NewStriped() const;
  // Decides: writer_ goes on with the file, one way or the other, and has all bytes so far. An
  // error: it is not known which way.
  absl::Status Grow();
  absl::Status GrowFromNothing();
  absl::Status GrowFromBlocks();
  // The file's bytes from before this stream, then those of it; every unit of them is synced.
  absl::Status CopyBytes(StripedFileWriter& out);
  // Has the file coded; with the blocks of `copy`, if it has some itself. False: it is replicated
  // and stays so. An error: that is not known.
  absl::StatusOr<bool> CodeFile(const Copy* copy);
  absl::Status AskToCode(const Copy* copy);

  const WrittenFile& file_;
  const FileStatus status_;
  const std::shared_ptr<const Striping> striping_;
  const uint64_t most_bytes_;
  const std::atomic<bool>& aborted_;
  bool undecided_ = true;
  bool syncing_ = false;                // an Hsync has been asked for
  std::vector<std::byte> bytes_;        // all of this stream while undecided
  std::unique_ptr<FileWriter> writer_;  // while undecided: of replicas; null: nothing was sent
};

}  // namespace cairn::client
