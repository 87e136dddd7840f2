// namenode/store/store.h - the namenode's table of records: LevelDB behind a tail in memory.
//
//   active tail   what the latest edits changed; Put and Delete go here
//   frozen tail   an earlier active tail on its way to LevelDB, as one synced, atomic batch that
//                 carries its last txid; at most one
//   LevelDB       everything up to the applied txid
//
// A lookup asks them in this order. The two tails are answered from memory, under the namespace
// lock; LevelDB is asked without any lock (Load, Range), since it may read a disk or wait for one.
// No request ever writes to LevelDB. Only edits that the journal has made durable are flushed:
// LevelDB is never ahead of the journal.
//
// Why unsynced LevelDB writes are never made: a power cut may lose the middle of LevelDB's log and
// keep its end. Source of the layering: docs/decisions/0003-store.md; formats:
// docs/formats/store.md.
//
// Threads: methods marked [W] need the namespace lock exclusively, [R] shared or exclusively,
// unmarked ones need none, and those that wait must be called without it. A background thread
// flushes; it takes the namespace lock exclusively for a few instructions, through `with_lock`,
// when it drops a tail that has reached LevelDB, so that a string_view from Peek stays good for as
// long as its reader holds the lock. Lock order: the namespace lock before the store's own mutex,
// which is never held while anything is called.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/ids.h"
#include "common/io/file_system.h"

namespace cairn::namenode {

struct StoreOptions {
  std::string directory;
  uint64_t cache_bytes = 128 << 20;            // LevelDB's block cache
  uint64_t write_buffer_bytes = 32 << 20;      // LevelDB's memtable, of which there may be two
  uint64_t tail_bytes = 32 << 20;              // freeze the active tail at this size ...
  absl::Duration tail_age = absl::Seconds(5);  // ... or age
  uint64_t tail_limit_bytes = 512 << 20;       // both tails together: Ready() refuses beyond
  int max_open_files = 1000;
  // Changes nothing in the directory and takes no lock: for one that nobody changes. Put and Delete
  // are not for such a store.
  bool read_only = false;
  FileSystem* files = &PosixFileSystem();  // LevelDB's writes, and its reads of tables
};

class Store {
 public:
  enum class Found { kValue, kDeleted, kUnknown };

  struct Stats {
    uint64_t active_bytes, frozen_bytes, active_records, flushes;
    TxId applied;                              // in LevelDB, synced
    absl::Duration last_flush, longest_flush;  // of LevelDB's write with its sync
  };

  using Records = std::vector<std::pair<std::string, std::string>>;
  // Runs the closure under the namespace lock, held exclusively, on the calling thread.
  using WithLock = std::function<void(std::function<void()>)>;

  // Starts the thread on which LevelDB compacts, all stores of the process. It starts with the
  // first job otherwise, perhaps hours later, when the system may have no thread left, and what is
  // thrown then ends the process. For a daemon: after a fork the child has no such thread.
  static void StartThread();

  // Creates a store that holds `records` and has applied no edit; it is durable, directory and all.
  // kAlreadyExists: `directory` is there and not empty. After any error it is as it was before; a
  // leftover `directory`.new is removed by the next try.
  static absl::Status Format(const StoreOptions& options, const Records& records);
  // kFailedPrecondition: not formatted, or another process has it open. kDataLoss: damage, with the
  // file named; nothing was changed on disk. The one damage that is repaired, with a line in the
  // log, is a last batch that is not whole, as a crash leaves it: it is cut off, and applied() is
  // then what it was before that batch.
  // `durable` tells up to which txid the journal is on stable media; called from the flush thread,
  // with no lock held. Both callbacks must be good until the store is destroyed.
  static absl::StatusOr<std::unique_ptr<Store>> Open(const StoreOptions& options,
                                                     std::function<TxId()> durable,
                                                     WithLock with_lock);
  // Does not flush: the journal has it all. Waits for a flush under way, so must not be called with
  // the namespace lock held. No Range may be left.
  virtual ~Store() = default;

  // [R] From the tails alone. kValue sets *value, valid until the lock is released, or for its
  // exclusive holder until the next Put or Delete.
  virtual Found Peek(absl::string_view key, absl::string_view* value) const = 0;
  // From LevelDB alone. nullopt: not there. kDataLoss: the key lies in a damaged block; other keys
  // may be fine. Compare flush_count() before and after, under the lock, to know that a flush did
  // not move a newer version from a tail to LevelDB meanwhile.
  virtual absl::StatusOr<std::optional<std::string>> Load(absl::string_view key) const = 0;
  // [R] Grows each time a frozen tail has reached LevelDB.
  virtual uint64_t flush_count() const = 0;

  // [W] An edit begins: until its EndEdit no tail is frozen, even if it has put nothing yet. Its
  // records may have been put off while what they are made from has changed.
  virtual void BeginEdit() {}
  // [W] One record of the edit being applied. Both views are copied.
  virtual void Put(absl::string_view key, absl::string_view value) = 0;
  virtual void Delete(absl::string_view key) = 0;
  // Registers what puts the records that were put off: edits change an inode many times, and its
  // record need be encoded only when the tail is about to be frozen. Called with the lock held
  // exclusively, between edits, just before an active tail that saw an edit is frozen; it may Put
  // and Delete, and ends with EndRest(). From then on an edit that put nothing counts as a change
  // too. Call once, before the first edit. False: this store has no such moment, put at once.
  virtual bool BeforeFreeze(std::function<void()> put_rest) {
    (void)put_rest;
    return false;
  }
  // [W] Calls it now, for a caller who is about to read records; between edits.
  virtual void PutRest() {}
  // [W] What was put since the last EndEdit completes edits that have ended.
  virtual void EndRest() {}
  // [W] The edit `txid` is complete; may freeze the active tail (O(1)) and wake the flusher. Txids
  // grow, and the lock is held from an edit's first Put to its EndEdit.
  virtual void EndEdit(TxId txid) = 0;
  // [W] Replica locations: they ride along in the next flush and belong to no edit.
  virtual void PutUnjournalled(absl::string_view key, absl::string_view value) = 0;
  virtual void DeleteUnjournalled(absl::string_view key) = 0;
  // [W] Unjournalled records that say one thing together: until its EndGroup no tail is frozen, so
  // that a crash keeps all of them or none. Groups may be nested, and lie in an edit. See
  // StoreGroup.
  virtual void BeginGroup() {}
  virtual void EndGroup() {}

  // Whether a new edit may begin. kResourceExhausted: the tails are at tail_limit_bytes, LevelDB
  // (or the journal) does not keep up, or there is no room on the disk or for a descriptor; it
  // passes by itself. Other errors: a flush failed; final, the store serves reads only until the
  // process starts anew.
  virtual absl::Status Ready() const = 0;

  // An ordered view over all three layers as of the moment of Scan. Read it without the lock: its
  // first use seeks in LevelDB. One thread at a time.
  class Range {
   public:
    virtual ~Range() = default;
    virtual bool Valid() = 0;  // false: the end, or an error; see status() and more()
    virtual void Next() = 0;   // needs Valid()
    virtual absl::string_view key() const = 0;  // both need Valid(), and are good until Next()
    virtual absl::string_view value() const = 0;
    // kDataLoss: a block on the way is damaged. Records before it were returned, none after it.
    virtual absl::Status status() const = 0;
    // Once Valid() is false without an error: whether the range stopped before the end of its
    // prefix, at its limit or because the tails had too many changes there. Scan again, with
    // `after` = resume_after(). It may then have returned fewer than `limit` records, even none.
    virtual bool more() const = 0;
    virtual absl::string_view resume_after() const = 0;
  };
  // [R] Records with prefix `prefix` and key > `after` (empty: from the start), at most `limit` (>
  // 0) of them, each once and in key order. Copies at most `limit` records of the tails, puts and
  // deletes, and pins a LevelDB snapshot; no I/O.
  virtual std::unique_ptr<Range> Scan(absl::string_view prefix, absl::string_view after,
                                      size_t limit) const = 0;

  virtual TxId applied() const = 0;  // in LevelDB, synced: the journal may be recycled up to here
  virtual Stats stats() const = 0;

  // [W] Freezes the active tail whatever its size. No effect when it is empty or while a frozen
  // tail is on its way.
  virtual void Freeze() = 0;
  // Waits until no frozen tail is left. Returns the error of a failed flush, and kResourceExhausted
  // without waiting on when the disk is full: the flush itself goes on once there is space.
  virtual absl::Status WaitFlushed() = 0;
  // All that was put before the call reaches LevelDB, as soon as the journal has it: for tests,
  // checkpoints and a clean stop. Takes the namespace lock through `with_lock`.
  virtual absl::Status Flush() = 0;

  // Makes in `directory`, which exists and is empty, a store with exactly what LevelDB holds now,
  // synced, and returns its applied txid. Tables become hard links: time and space do not grow with
  // the namespace. Nobody waits for it but flushes, for the few milliseconds of a listing. An error
  // leaves part of a copy. Do not call it with the namespace lock held.
  virtual absl::StatusOr<TxId> CopyTo(const std::string& directory) {
    (void)directory;
    return absl::UnimplementedError("store: this one cannot be copied");
  }
  // The same by the files alone, of a store or copy that nobody has open; the one that is copied is
  // not changed.
  static absl::Status CopyFiles(FileSystem& files, const std::string& from, const std::string& to);
  // CopyTo of a store that nobody has open. It is opened for that, and may change.
  static absl::StatusOr<TxId> CopyClosed(FileSystem& files, const std::string& from,
                                         const std::string& to);
};

// Such a group, as long as it stands.
class StoreGroup {
 public:
  explicit StoreGroup(Store& store) : store_(store) { store_.BeginGroup(); }
  ~StoreGroup() { store_.EndGroup(); }
  StoreGroup(const StoreGroup&) = delete;
  StoreGroup& operator=(const StoreGroup&) = delete;

 private:
  Store& store_;
};

}  // namespace cairn::namenode
