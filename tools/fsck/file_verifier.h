// tools/fsck/file_verifier.h - verifies the block groups of files, several at a time, and has each
// file told in its turn.
//
// The first group that cannot be verified, since the namenode does not answer any more, ends it: of
// the files before its own everything is looked at and told, and of the others nothing is told.
//
// Used by one thread. Memory: of the file whose turn it is and of the one that was added last
// everything, and of those between them no more than kMostKept blocks and units, of about 1 KB.
#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/admin_types.h"
#include "client/group_verifier.h"
#include "common/mutex.h"
#include "tools/fsck/in_order.h"
#include "tools/fsck/verification.h"

namespace cairn::tools {

class FileVerifier {
 public:
  // Called on several threads at once. Errors are those of the namenode.
  using Verify = std::function<absl::StatusOr<client::GroupFinding>(const std::string& path,
                                                                    const client::BlockReport&)>;
  // `findings`: by block; empty where the file is not erasure-coded.
  using Tell = std::function<void(const client::FileReport& file, GroupFindings findings)>;

  static constexpr size_t kMostKept = 10'000;

  FileVerifier(size_t parallel, Verify verify);

  // `tell` is called on this thread, in this call or a later one.
  void Add(client::FileReport file, Tell tell);
  // What is no file, in its turn.
  void AddOther(std::function<void()> tell);
  // All that is left is told. Errors as status().
  absl::Status Finish();
  // The first error of a group, before it is its turn.
  absl::Status status() const ABSL_LOCKS_EXCLUDED(mu_);

 private:
  struct Job;
  void Look(Job& job, size_t block);
  void Use(Job& job, const Tell& tell);

  const Verify verify_;
  bool ended_ = false;  // a file that failed had its turn
  mutable Mutex mu_;
  absl::Status status_ ABSL_GUARDED_BY(mu_);
  InOrder in_order_;  // last: its threads use the others
};

}  // namespace cairn::tools
