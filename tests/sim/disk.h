// tests/sim/disk.h - a datanode's file system as one life of the datanode sees it.
//
// The bytes are in a FaultyFileSystem, which outlives the process and knows what of them is on
// stable media. A process that has been killed changes nothing any more: its destructors may still
// call, and fail. CutPowerAfter throws PowerCut out of one of the next calls, so that the machine
// is gone between two calls of the code under test, or in the middle of a write.
#pragma once

#include <memory>
#include <optional>

#include "common/testing/faulty_file_system.h"
#include "common/testing/wrapped_file_system.h"
#include "tests/sim/process.h"

namespace cairn::sim {

class ProcessDisk final : public FileSystemWrapper {
 public:
  explicit ProcessDisk(FaultyFileSystem& files);

  void Kill() { gate_->alive = false; }
  // The nth call from now on that changes something is the last (1: the next); a write is torn.
  void CutPowerAfter(int nth) { gate_->calls_left = nth; }
  // The power stays on meanwhile: for destructors, which may not throw.
  void HoldPower(bool hold) { gate_->hold_power = hold; }
  // A planted bug: syncs say that they are done, and do nothing.
  void IgnoreSyncs() { gate_->ignore_syncs = true; }

  absl::StatusOr<std::unique_ptr<File>> Open(const std::string& path,
                                             const OpenOptions& options) override;
  absl::Status Rename(const std::string& from, const std::string& to) override;
  absl::Status Link(const std::string& from, const std::string& to) override;
  absl::Status Remove(const std::string& path) override;
  absl::Status MakeDirectory(const std::string& path) override;
  absl::Status RemoveDirectory(const std::string& path) override;
  absl::StatusOr<std::vector<std::string>> List(const std::string& directory) override;
  absl::Status SyncDirectory(const std::string& directory) override;
  absl::StatusOr<std::unique_ptr<File>> Lock(const std::string& path) override;

  struct Gate {
    FaultyFileSystem& files;
    bool alive = true;
    bool ignore_syncs = false;
    bool hold_power = false;
    std::optional<int> calls_left;

    // kUnavailable: the process is dead. Throws PowerCut at its time, unless the call is a write,
    // which is to be torn first (*torn).
    absl::Status Enter(bool mutating, bool* torn = nullptr);
  };

 private:
  const std::shared_ptr<Gate> gate_;  // shared with the files
};

}  // namespace cairn::sim
