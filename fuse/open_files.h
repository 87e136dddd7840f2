// fuse/open_files.h - which files are open in this mount.
//
// The mount keeps nothing about files that nobody has open: an inode's number is the cluster's own
// id, by which the cluster finds it. So there is no table of inodes to grow, and nothing to forget.
//
// Thread-safe. No call to the cluster is made with the table's lock held.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "common/mutex.h"
#include "fuse/clients.h"
#include "fuse/open_file.h"

namespace cairn::fuse {

class OpenFiles {
 public:
  explicit OpenFiles(OpenFile::Surroundings around = {}) : around_(std::move(around)) {}

  // Every Open is followed by one Close with the same `writer`.
  std::shared_ptr<OpenFile> Open(uint64_t inode, bool writer) ABSL_LOCKS_EXCLUDED(mu_);
  // The last writer completes the file, or has it given up after an error; the last of all removes
  // it if its name is gone. Errors are logged: nobody waits for the answer. Calls the cluster.
  void Close(OpenFile& file, bool writer, client::FileSystem& fs) ABSL_LOCKS_EXCLUDED(mu_);

  bool HasWriters(uint64_t inode) ABSL_LOCKS_EXCLUDED(mu_);
  // Null: not open here.
  std::shared_ptr<OpenFile> Find(uint64_t inode) ABSL_LOCKS_EXCLUDED(mu_);
  bool empty() ABSL_LOCKS_EXCLUDED(mu_);
  struct Counts {
    size_t open = 0;
    size_t written = 0;  // of these: open for writing
  };
  Counts counts() ABSL_LOCKS_EXCLUDED(mu_);

  // The file has lost its name and is now HiddenName in `directory`: the last Close removes that,
  // as `remover`. Again: it is in another directory. False: it is not open any more.
  bool RemoveAtLastClose(uint64_t inode, uint64_t directory, ClientPtr remover)
      ABSL_LOCKS_EXCLUDED(mu_);

  // At the end of the mount: completes all that is being written, removes what has no name. Has the
  // namenode close what cannot be completed, as `fs`, and returns the first such error. A Close
  // that comes later has nothing left to do.
  absl::Status CloseAll(client::FileSystem& fs) ABSL_LOCKS_EXCLUDED(mu_);

 private:
  struct Entry {
    std::shared_ptr<OpenFile> file;
    int users = 0;
    int writers = 0;         // of the users
    uint64_t hidden_in = 0;  // directory; 0: it has its name
    ClientPtr remover;
  };

  static void RemoveHidden(const Entry& entry);

  const OpenFile::Surroundings around_;
  Mutex mu_;
  absl::flat_hash_map<uint64_t, Entry> entries_ ABSL_GUARDED_BY(mu_);
  bool all_closed_ ABSL_GUARDED_BY(mu_) = false;
};

}  // namespace cairn::fuse
