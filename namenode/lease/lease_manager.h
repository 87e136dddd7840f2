// namenode/lease/lease_manager.h - who may write which file.
//
// A holder is a client's name; it has one lease over all the files it writes, and renews them
// together. Past the soft limit anybody who wants a file may have it recovered; past the hard limit
// the namenode recovers it by itself. Files are named by inode id: a rename changes nothing here.
//
// Nothing of this is stored. At start-up Restore() is called for each file that the store lists as
// open, and every writer gets a full period of grace.
//
// Threads: RPC handlers call all but TakeExpired, the maintenance thread that one.
// Lock order: the namespace lock before mu_. Only the clock is called while mu_ is held; it is the
// monotonic one, so that setting the wall clock takes nobody's file away.
#pragma once

#include <cstdint>
#include <list>
#include <string>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/btree_set.h"
#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/clock.h"
#include "common/ids.h"
#include "common/mutex.h"

namespace cairn::namenode {

// Holds the files whose recovery the namenode itself began; no client can have this name, since
// it is compared with the names that clients send: see IsReservedHolder.
inline constexpr absl::string_view kNamenodeHolder = "CAIRN_Namenode";

class LeaseManager {
 public:
  struct Options {
    absl::Duration soft_limit = absl::Seconds(60);  // HDFS: not configurable
    absl::Duration hard_limit = absl::Minutes(20);  // dfs.namenode.lease-hard-limit-sec
  };

  LeaseManager(Options options, Clock& clock);  // `clock` outlives this

  // `holder` writes the file from now on, and its lease is renewed: from applied edits and at
  // start-up; who had it before has it no more. Whether that may be was asked before, of the
  // namespace. kNamenodeHolder: each file has a time of its own, from when it came to it.
  void Restore(InodeId file, absl::string_view holder) ABSL_LOCKS_EXCLUDED(mu_);
  // The file is closed or gone. No effect if it has no lease.
  void Release(InodeId file) ABSL_LOCKS_EXCLUDED(mu_);
  // A client without open files is fine: some renew every second from their start on.
  void Renew(absl::string_view holder) ABSL_LOCKS_EXCLUDED(mu_);

  // False for a file that the namenode has, and for one that nobody has: closed, or just taken by
  // TakeExpired.
  bool IsHeldByClient(InodeId file) const ABSL_LOCKS_EXCLUDED(mu_);

  // True also for a holder without files: there is nobody to wait for.
  bool IsSoftExpired(absl::string_view holder) const ABSL_LOCKS_EXCLUDED(mu_);

  // Removes and returns, in inode order, files whose writer has been silent for the hard limit; at
  // most `limit` of them, those of the longest silent holders. The caller closes each, or
  // restores it to kNamenodeHolder while its recovery runs; that expires in turn, a hard limit
  // later, and recovery is tried again. By then, somebody else may have closed the file and opened
  // it again: the caller asks IsHeldByClient first, under the namespace lock.
  std::vector<InodeId> TakeExpired(size_t limit = 1000) ABSL_LOCKS_EXCLUDED(mu_);

  // Files that have a lease, with ids above `after`: at most `most`, in inode order.
  std::vector<InodeId> FilesAfter(InodeId after, size_t most) const ABSL_LOCKS_EXCLUDED(mu_);

  static bool IsReservedHolder(absl::string_view holder) { return holder == kNamenodeHolder; }

 private:
  struct Lease {
    std::string holder;
    absl::Duration renewed;
    absl::btree_set<InodeId> files;  // not empty; one, if the holder is the namenode
  };
  using Leases = std::list<Lease>;  // the longest silent first

  void RenewLocked(Leases::iterator lease, absl::Duration now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // The lease of `holder`, renewed; a new one for kNamenodeHolder.
  Leases::iterator LeaseOf(absl::string_view holder, absl::Duration now)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void ReleaseLocked(InodeId file) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const Options options_;
  Clock& clock_;
  mutable Mutex mu_;
  Leases leases_ ABSL_GUARDED_BY(mu_);
  // Without the namenode's: nothing renews those, least of all another file that comes to it.
  absl::flat_hash_map<std::string, Leases::iterator> by_holder_ ABSL_GUARDED_BY(mu_);
  absl::btree_map<InodeId, Leases::iterator> by_file_ ABSL_GUARDED_BY(mu_);
};

}  // namespace cairn::namenode
