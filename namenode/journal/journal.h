// namenode/journal/journal.h - the edit log: what makes a namespace change survive a crash.
//
//   namespace lock held            journal's own thread            I/O threads
//   Ready() -> validate
//   Append(txid, edit) ----------> batch -> one durable write
//   apply, release the lock        durable() grows
//                                  listeners are called ---------> replies up to durable() leave
//
// Edits are opaque bytes here, numbered without gaps. The journal commits in groups: at once when
// idle, and while one write is on its way the next batch forms. Nothing may be shown to a client
// that depends on an edit beyond durable().
//
// A failed write is final: whether its bytes are on the medium is unknown, and a second try that
// succeeds would prove nothing. durable() then never moves again and the daemon must restart, which
// finds out by reading. Source: Rebello et al., "Can Applications Recover from fsync Failures?",
// USENIX ATC 2020. The files are described in docs/formats/journal.md, the choices behind them in
// docs/decisions/0002-journal.md. An interface, since a replicated journal will take this place;
// memory_journal.h has the one for tests.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/clock.h"
#include "common/ids.h"
#include "common/io/file_system.h"

namespace cairn::namenode {

// No single edit is larger; the namespace's own limits (blocks per file, entries per concat) keep
// every edit far below it.
inline constexpr size_t kMaxEditBytes = size_t{16} << 20;

struct JournalStats {
  TxId first_kept = kNoTx;  // oldest edit a restart can still read; kNoTx: none is kept
  TxId last_appended = kNoTx;
  TxId durable = kNoTx;
  uint64_t batches = 0;        // device writes since the journal was opened
  uint64_t edits = 0;          // edits made durable since then
  uint64_t bytes_written = 0;  // by those writes, padding included
  uint64_t segment_switches = 0;
  uint64_t segment_waits = 0;   // switches that found no prepared segment and had to wait
  uint64_t segments_kept = 0;   // files that hold edits
  uint64_t segments_ready = 0;  // prepared files, empty
  bool cannot_prepare = false;  // another one could not be prepared, and it is tried again
};

// Thread-safe. Append is called in txid order by whoever holds the namespace lock; the rest by
// anyone.
class Journal {
 public:
  // Makes durable what was appended (unless a write failed or the disk is full), then ends the
  // journal's threads. All handles from Listen must be gone.
  virtual ~Journal() = default;

  // OK: an edit, or several that together stay within max_edit_bytes, may be appended now. Cheap:
  // one atomic load. kResourceExhausted: no prepared space is left and the disk is full; heals by
  // itself once space returns, so refuse the operation before anything has changed and go on
  // reading. Any other code: a write failed; final.
  virtual absl::Status Ready() = 0;

  // Queues edit `txid`, which must be last_appended() + 1 (CHECKed), as must edit.size() <=
  // max_edit_bytes be. Copies the bytes; never waits for the disk, so it may be called under the
  // namespace lock. Call Ready() first: without it the edit may stay in memory until space returns.
  // After a failed write the edit is dropped: it is never durable.
  virtual void Append(TxId txid, absl::string_view edit) = 0;

  virtual TxId last_appended() const = 0;

  // Every edit up to here is on stable media. Only grows. Lock-free.
  virtual TxId durable() const = 0;

  // Blocks until durable() >= txid; for tests and tools, not for a request. Returns the failure if
  // a write failed before that.
  virtual absl::Status WaitDurable(TxId txid) = 0;

  // `on_durable` is called on the journal's thread after each growth of durable(), until the
  // returned handle is destroyed, which waits for a running call to end (so do not destroy it from
  // within the call). It must be quick: the next commit waits for it.
  virtual std::shared_ptr<void> Listen(std::function<void()> on_durable) = 0;

  // `on_failure` is called once, with the reason, when a write fails; at once if one already has.
  // One function at a time: the last one given is kept. It must not destroy the journal, and is not
  // called while that is being destroyed.
  virtual void OnFailure(std::function<void(absl::Status)> on_failure) = 0;

  // Edits up to `applied` are in the store, durably: a restart will not ask for them. Their files
  // are reused once the kept span (JournalOptions::keep) has passed. Never goes back.
  virtual void Release(TxId applied) = 0;

  // The next edit begins a new segment; returns its txid. No effect if it would anyway.
  // kResourceExhausted: no segment is prepared, perhaps since the disk is full; try again.
  virtual absl::StatusOr<TxId> Roll() = 0;

  virtual JournalStats stats() const = 0;
};

struct JournalOptions {
  std::string directory;   // holds nothing but the journal
  std::string cluster_id;  // <= 64 bytes; Open refuses segments of another one. Empty: not compared

  // Size of a new segment file, a multiple of 4096 with room for the largest batch and its header.
  uint64_t segment_bytes = uint64_t{64} << 20;
  // Segments prepared ahead, so that a switch never waits. At least 1.
  int ready_segments = 2;
  // How long edits that the store already holds stay readable, so that a retried call is still
  // answered after a restart. Counted from the segment's last edit, or from the start of this
  // process for segments it found.
  absl::Duration keep = absl::Minutes(10);
  // At most this much is kept for `keep`; what the store does not hold yet is always kept. When the
  // disk is full, segments are reused before `keep` has passed rather than refusing writes.
  uint64_t keep_bytes = uint64_t{1} << 30;
  // Largest batch in one write; a single larger edit is a batch of its own.
  uint64_t max_batch_bytes = uint64_t{1} << 20;
  // Largest edit, at most kMaxEditBytes. That much room is kept in reserve for a caller who has
  // seen Ready(); smaller for tests and tiny disks.
  uint64_t max_edit_bytes = kMaxEditBytes;
  // O_DIRECT; a file system that has none (tmpfs) is used without it. O_DSYNC is always used.
  bool direct_io = true;
  // Pause between attempts to prepare a segment while the disk is full.
  absl::Duration retry_interval = absl::Seconds(1);
};

// Makes `options.directory` (if missing) an empty journal whose first edit will be `first`.
// kAlreadyExists: it holds journal files; nothing was changed. kInvalidArgument: bad options.
absl::Status FormatFileJournal(FileSystem& fs, Clock& clock, const JournalOptions& options,
                               TxId first = TxId{1});

// Opens the journal in `options.directory`. `applied` is the last edit that the store holds; every
// later one must be here. Calls `replay` in txid order, without gaps, for all edits that are kept
// from `from` on (it may be called from a later one than `from` <= applied + 1 if the older ones
// are no longer kept); an error from `replay` ends the opening and is returned.
//
// A torn tail - what a crash left of the last, unacknowledged write - is cut off and logged with
// file, offset and txid. `fs` and `clock` outlive the journal. The caller holds the lock that keeps
// a second process out.
//   kFailedPrecondition  not formatted, or of another cluster
//   kDataLoss            damage that no crash explains: an edit that was durable does not read
//   back,
//                        a segment is missing, or the journal ends before `applied`. The message
//                        names file, offset and txid. No file was changed.
//   kUnimplemented       a newer format version
//   others               from the file system
using ReplayFunction = std::function<absl::Status(TxId txid, absl::string_view edit)>;
absl::StatusOr<std::unique_ptr<Journal>> OpenFileJournal(FileSystem& fs, Clock& clock,
                                                         JournalOptions options, TxId applied,
                                                         TxId from, const ReplayFunction& replay);

}  // namespace cairn::namenode
