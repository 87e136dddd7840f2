// tools/ec/converter.h - keeps files in another form, replicated or erasure-coded, where they are.
//
//   1. which blocks the file has (FileSystem::GetFileVersion)
//   2. a copy beside it, in the other form (client/copy_name.h), whose bytes are compared by
//   checksum; of
//      the file with this inode, whatever its name means meanwhile
//   3. one call gives the file the copy's blocks (FileSystem::ConvertFile), if it still has those
//      of step 1
//
// Nothing is locked meanwhile: readers and writers do not notice, and who changes the file has it
// left as it is. Killed at any moment this leaves each file in one form or the other, and at most a
// copy for each thread, which the next run in that directory removes.
//
// Walks trees on the caller's thread and converts whole files on threads of its own.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/file_system.h"
#include "common/mutex.h"
#include "tools/dfs/progress.h"
#include "tools/ec/file_converter.h"
#include "tools/ec/pacer.h"

namespace cairn::tools {

class Converter final : public FileConverter {
 public:
  // `fs` outlives this.
  Converter(client::FileSystem& fs, ConvertOptions options, OnFailure on_failure);
  ~Converter() override;  // waits
  Converter(const Converter&) = delete;
  Converter& operator=(const Converter&) = delete;

  // The file, or all files below the directory. An error: the path is missing, or cannot be looked
  // at.
  absl::Status Add(const std::string& path) ABSL_LOCKS_EXCLUDED(mu_);

  // FileConverter
  void AddFile(const client::FileStatus& file) override ABSL_LOCKS_EXCLUDED(mu_);
  void RemoveIfLeftOver(const client::FileStatus& found) override;
  void Cancel() override ABSL_LOCKS_EXCLUDED(mu_);
  bool has_given_up() const override ABSL_LOCKS_EXCLUDED(mu_);
  ConvertTotals totals() const override ABSL_LOCKS_EXCLUDED(mu_);
  ConvertTotals Finish() override ABSL_LOCKS_EXCLUDED(mu_);

 private:
  class Copy;
  enum class End { kConverted, kAlready };  // kAlready: by somebody else

  absl::Status AddDirectory(const std::string& path);
  // Once for each directory: copies that were left there.
  void CleanUp(const std::string& directory);
  void Work() ABSL_LOCKS_EXCLUDED(mu_);
  void Convert(const client::FileStatus& file) ABSL_LOCKS_EXCLUDED(mu_);
  // OK: it has the form; `bytes`: those that were copied for it.
  absl::StatusOr<End> TryToConvert(const client::FileStatus& file, uint64_t* bytes);
  absl::Status CopyAndSwitch(const client::FileBlocks& version, Copy& copy);
  // What has become of the file after CopyAndSwitch() has said `status`; the copy is not deleted
  // yet.
  absl::StatusOr<End> Judge(const absl::Status& status, const client::FileBlocks& version,
                            const std::string& copy);
  absl::Status CopyBytes(const client::FileBlocks& version, client::OutputStream& out,
                         uint32_t* crc);
  absl::Status Compare(const client::FileBlocks& version, const std::string& copy, uint32_t crc);
  absl::Status Switch(const client::FileBlocks& version, const std::string& copy);
  void Fail(const std::string& path, const absl::Status& why) ABSL_LOCKS_EXCLUDED(mu_);

  client::FileSystem& fs_;
  const ConvertOptions options_;
  const std::string host_;
  Pacer pacer_;
  Progress progress_;
  absl::flat_hash_set<std::string> cleaned_;  // of the caller's thread

  std::atomic<bool> cancelled_ = false;

  mutable Mutex mu_;
  CondVar changed_;
  const OnFailure on_failure_;  // called with mu_ held
  bool finishing_ ABSL_GUARDED_BY(mu_) = false;
  std::deque<client::FileStatus> files_ ABSL_GUARDED_BY(mu_);
  ConvertTotals totals_ ABSL_GUARDED_BY(mu_);
  uint64_t failed_in_a_row_ ABSL_GUARDED_BY(mu_) = 0;
  bool given_up_ ABSL_GUARDED_BY(mu_) = false;
  std::vector<std::thread> threads_;
};

}  // namespace cairn::tools
