// fuse/directory.h - one open directory: the entries in order, a page of the listing at a time.
//
// An entry's place is its number in the listing, "." and ".." being 0 and 1. The kernel asks on
// from where it stopped, or from the start (rewinddir), which lists anew. A program with a small
// buffer has it go back to within its last reply, whose entries are therefore kept. Any other place
// (seekdir) is found by the name before it, so that entries that were there throughout are neither
// left out nor given twice, whatever was made or removed meanwhile.
//
// The root of a mount may have an entry of the mount's own, which comes after the dots: what the
// cluster has under that name is out of reach, and left out.
//
// Keeps the names that were given as long as it is open.
//
// Thread-safe: calls wait for one another.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/file_system.h"
#include "client/name_order.h"
#include "common/mutex.h"
#include "fuse/changes.h"
#include "fuse/clients.h"

namespace cairn::fuse {

class Directory {
 public:
  struct Entry {
    std::string name;
    std::optional<client::FileStatus> status;  // nullopt: "." or "..", or the mount's own
    Changes::Moment asked;                     // before the server told this
    uint64_t own_inode = 0;                    // of the mount's own
  };
  // A directory of the mount's own in this one.
  struct Own {
    std::string name;
    uint64_t inode = 0;
  };

  // `changes` outlives this.
  Directory(ClientPtr fs, uint64_t inode, const Changes& changes,
            std::optional<Own> own = std::nullopt);

  // Fetches the first page, so that who may not list finds out by opening.
  absl::Status Open() ABSL_LOCKS_EXCLUDED(mu_);

  // Calls `put` with the entries from `place` on, each with the place of the next one, until `put`
  // returns false, which leaves that entry for the next call. kInternal: the server's entries are
  // not in order (one is there twice, say), or a name is one that Linux cannot have.
  absl::Status Read(uint64_t place,
                    const std::function<bool(const Entry&, uint64_t next_place)>& put)
      ABSL_LOCKS_EXCLUDED(mu_);

 private:
  static constexpr uint64_t kDots = 2;
  uint64_t first_place() const { return kDots + (own_.has_value() ? 1 : 0); }  // of the listing's

  // The next entry that the listing gives is the one at `place`.
  void StartAt(uint64_t place) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // The listing's next entry; nullopt: there are no more.
  absl::StatusOr<std::optional<Entry>> Next() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Puts the entry after those of recent_ there; false: there is none.
  absl::StatusOr<bool> Fetch() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const ClientPtr fs_;
  const std::string path_;
  const Changes& changes_;
  const std::optional<Own> own_;
  Mutex mu_;
  client::DirectoryIterator listing_ ABSL_GUARDED_BY(mu_);
  Changes::Moment asked_ ABSL_GUARDED_BY(mu_);      // for the listing's page
  std::deque<Entry> recent_ ABSL_GUARDED_BY(mu_);   // of the last reply, and what did not fit
  uint64_t recent_place_ ABSL_GUARDED_BY(mu_) = 0;  // of the first of them, or of what comes next
  std::vector<std::string> names_ ABSL_GUARDED_BY(mu_);  // by place, less first_place()
  std::optional<Entry> first_ ABSL_GUARDED_BY(mu_);      // after "..": fetched by Open
  bool has_first_ ABSL_GUARDED_BY(mu_) = false;          // first_ tells, not the listing
  client::NameOrder order_ ABSL_GUARDED_BY(mu_);
  absl::Status broken_ ABSL_GUARDED_BY(mu_);  // what the server sent cannot be
};

}  // namespace cairn::fuse
