// fuse/open_file.h - a file that somebody has open in this mount, whoever and however often.
//
// HDFS lets one writer add to the end of a file, so all that write it here share one output stream,
// made by the first write (by create for a new file) and completed at every close(2) of a
// descriptor that may write: after that the file is whole in the cluster. A write after it, by
// another descriptor or a copy of the same one, reopens the file for append. A new file that
// nothing was written to yet is left open by close(2): shells open a file, copy the descriptor and
// close the first one.
//
// A write elsewhere than at the end completes the stream, and goes to a stage on the client's disk
// (in_place.h), as do all that follow it, until a sync or completion makes what is staged the
// file's contents. So a file is idle, streaming or being changed in place; never two of them.
//
// What is promised:
//   Write     the bytes will be written; an error may show in a later call
//   Sync      all bytes written are on stable media
//   Complete  all bytes written are in a file that the cluster counts as closed
// A failed write, sync or completion is final: every further one fails with the same error until
// all that have the file open for writing have closed it, and what was not acknowledged is not
// shown as part of the file. A full stage only refuses the write.
//
// Threads: any. Calls that change the file wait for one another, and for the cluster meanwhile.
// Readers do not wait while a change in place is written back: nobody changes what is staged then,
// and they read that. Nor do they for a stream whose bytes come after theirs.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "client/file_system.h"
#include "common/mutex.h"
#include "fuse/clients.h"
#include "fuse/in_place.h"

namespace cairn::fuse {

// True: whoever waits for this call is gone.
using Interrupted = std::function<bool()>;

class OpenFile {
 public:
  // Zeros that one write or truncate may put before its place; more of them is not for streaming.
  static constexpr uint64_t kMaxGapBytes = uint64_t{1} << 30;

  struct Surroundings {
    StageArea* stage = nullptr;  // null: nothing can be staged, or the server could not take it
    // The kernel's pages of the file may hold bytes that are lost. Does not wait for the kernel.
    std::function<void(uint64_t inode)> forget_pages = [](uint64_t) {};
  };
  // `around` outlives this.
  OpenFile(uint64_t inode, const Surroundings& around);

  uint64_t inode() const { return inode_; }

  // Goes on with the stream of a file just created.
  void Adopt(std::unique_ptr<client::OutputStream> stream) ABSL_LOCKS_EXCLUDED(mu_);

  struct Place {
    bool at_end = false;  // O_APPEND: wherever the end is; else at `offset`
    uint64_t offset = 0;
    // A page of a shared mapping: nobody waits for the answer, so that any error is final.
    bool mapped = false;
  };
  // `sync`: O_SYNC or O_DSYNC. kUnimplemented: the place lies before the end of the file, which
  // cannot be changed in place (InPlace::IsPossible, or nothing can be staged here), or too far
  // behind it; nothing was written.
  // kFailedPrecondition: another client writes the file. kResourceExhausted: the stage is full.
  absl::Status Write(const ClientPtr& fs, Place place, std::span<const std::byte> data, bool sync,
                     const Interrupted& interrupted) ABSL_LOCKS_EXCLUDED(mu_);
  absl::Status Sync() ABSL_LOCKS_EXCLUDED(mu_);
  enum class Reason : uint8_t { kDescriptorClosed, kLastWriterGone };
  absl::Status Complete(Reason reason) ABSL_LOCKS_EXCLUDED(mu_);
  // Cuts the file, or adds zeros. Cutting inside a block takes the datanodes seconds, unless the
  // file is being changed in place. kCancelled: interrupted; the cut may have been made.
  absl::Status Truncate(const ClientPtr& fs, uint64_t length, const Interrupted& interrupted)
      ABSL_LOCKS_EXCLUDED(mu_);
  // Adds zeros until the file is `length` bytes long; nothing if it is as long already.
  absl::Status Extend(const ClientPtr& fs, uint64_t length, const Interrupted& interrupted)
      ABSL_LOCKS_EXCLUDED(mu_);
  // Completes the file first, which would set the times again. Programs that copy files set the
  // times after the last write.
  absl::Status SetTimes(client::FileSystem& fs, std::optional<absl::Time> modified,
                        std::optional<absl::Time> accessed) ABSL_LOCKS_EXCLUDED(mu_);

  // Has every byte below `end` reach the datanodes, so that a reader can get it.
  absl::Status MakeReadable(uint64_t end) ABSL_LOCKS_EXCLUDED(mu_);

  // While the file is being changed in place: its bytes as they are now; less than out.size() only
  // at its end. nullopt: it is not, and the cluster has its bytes.
  absl::StatusOr<std::optional<size_t>> ReadStaged(uint64_t offset, std::span<std::byte> out)
      ABSL_LOCKS_EXCLUDED(mu_);

  // What the namenode does not know yet; nullopt while nobody here writes.
  struct Written {
    uint64_t length = 0;
    absl::Time modified;
  };
  std::optional<Written> written() const ABSL_LOCKS_EXCLUDED(written_mu_);
  // Changes whenever bytes that were there have gone: readers must look again.
  uint64_t cuts() const { return cuts_.load(std::memory_order_acquire); }
  // Whoever opens it has found this; who makes it, that nothing is in it. If others were found
  // before, readers that were open then look again: what they would get may be pages by now that
  // are kept for the others.
  void NoteFound(const client::ContentsId& contents) ABSL_LOCKS_EXCLUDED(written_mu_);
  // The greatest length that anybody here can know of since somebody opened the file: from what he
  // wrote, or because the kernel was told.
  void NoteTold(uint64_t length);
  uint64_t told() const { return told_.load(std::memory_order_relaxed); }
  // Changes with every write, before its writer is told that it has been done.
  uint64_t writes() const { return writes_.load(std::memory_order_acquire); }
  // After the last writer: has the namenode close the file if writing it failed. Errors are logged.
  void GiveUp(client::FileSystem& fs) ABSL_LOCKS_EXCLUDED(mu_);

 private:
  absl::Status TruncateTo(const ClientPtr& fs, uint64_t length, const Interrupted& interrupted)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  absl::Status WriteTo(const ClientPtr& fs, Place place, std::span<const std::byte> data, bool sync,
                       const Interrupted& interrupted) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  absl::Status OpenStream(client::FileSystem& fs) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Has either the stream stand where a write to `place` goes on, or the change begun.
  absl::Status Prepare(const ClientPtr& fs, Place place, const Interrupted& interrupted)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  absl::Status BeginChange(const ClientPtr& fs, uint64_t offset, uint64_t end)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  absl::Status WriteStaged(Place place, std::span<const std::byte> data, bool sync)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  absl::Status WriteBack(bool sync) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // From then on readers go on from what `change` has staged, without mu_; null: with it.
  void ReadFrom(std::shared_ptr<const InPlace> change) ABSL_LOCKS_EXCLUDED(written_mu_);
  absl::Status Fill(uint64_t bytes, const Interrupted& interrupted)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  absl::Status DoComplete() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  absl::StatusOr<uint64_t> EndOf(client::FileSystem& fs) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  absl::Status Cut(client::FileSystem& fs, uint64_t length, const Interrupted& interrupted)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Whether a stream adds to the file, and the cluster has what it was given before, as far as it
  // lies below `end` and its writer was told that it is written.
  bool IsFlushed(uint64_t end) const ABSL_LOCKS_EXCLUDED(written_mu_);
  // The end of the stream, for good.
  absl::Status Fail(absl::Status status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void NoteWritten(uint64_t length) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_)
      ABSL_LOCKS_EXCLUDED(written_mu_);
  void NoteClosed() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) ABSL_LOCKS_EXCLUDED(written_mu_);

  const uint64_t inode_;
  const std::string path_;  // by id: follows renames
  const Surroundings& around_;
  std::atomic<uint64_t> cuts_ = 0;
  std::atomic<uint64_t> told_ = 0;
  std::atomic<uint64_t> writes_ = 0;
  // Of the stream: flushed, so that the cluster has them, and only appended to until it is 0 again.
  // 0: there is none. Set under mu_.
  std::atomic<uint64_t> readable_ = 0;

  Mutex mu_;                                                           // before written_mu_
  std::unique_ptr<client::OutputStream> stream_ ABSL_GUARDED_BY(mu_);  // null: nothing is written
  std::shared_ptr<InPlace> change_ ABSL_GUARDED_BY(mu_);               // null: nothing is staged
  // Where the file ended when it was last seen here, while it was idle. Only a guess: whether a
  // write begins a stream or a change is asked of it, to ask the cluster once.
  std::optional<uint64_t> last_end_ ABSL_GUARDED_BY(mu_);
  absl::Status error_ ABSL_GUARDED_BY(mu_);
  bool fresh_ ABSL_GUARDED_BY(mu_) = false;       // created, and nothing written yet
  bool lease_left_ ABSL_GUARDED_BY(mu_) = false;  // by a stream that failed

  mutable Mutex written_mu_;
  std::optional<Written> written_ ABSL_GUARDED_BY(written_mu_);
  std::optional<client::ContentsId> found_ ABSL_GUARDED_BY(written_mu_);
  // change_ while it is written back: nothing is written to it any more. A reader may hold it for
  // longer than that.
  std::shared_ptr<const InPlace> written_back_ ABSL_GUARDED_BY(written_mu_);
};

}  // namespace cairn::fuse
