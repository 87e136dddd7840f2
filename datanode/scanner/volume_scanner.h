// datanode/scanner/volume_scanner.h - reads all that is on one volume, again and again, and finds
// what has rotted before a reader does.
//
//   suspects first -> the sweep of directories, if due -> the next replica of the lap, if due ->
//   idle
//
// The lap (scan_pace.h) takes replicas by ascending block id; its place is kept on the volume
// (scan_cursor.h) every `save_interval`, soon after a finding, and at the end. A suspect is a
// replica about which somebody had reason to doubt. One thread, which holds no lock while it reads;
// the calls of others are memory only.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <thread>

#include "absl/container/flat_hash_set.h"
#include "absl/time/time.h"
#include "common/buffer_pool.h"
#include "common/clock.h"
#include "common/mutex.h"
#include "datanode/scanner/scan_cursor.h"
#include "datanode/scanner/scan_pace.h"
#include "datanode/volume/replica_store.h"

namespace cairn::datanode {

struct ScanOptions {
  ScanPace pace;
  absl::Duration sweep_interval = absl::Hours(6);       // infinite: no sweeps
  absl::Duration sweep_pause = absl::Milliseconds(20);  // after each of 1024 directories
  absl::Duration save_interval = absl::Minutes(10);
  absl::Duration log_interval = absl::Hours(1);
};

// Of one volume, since the process began; positions are of the lap that is under way.
struct ScanReport {
  std::string volume;
  uint64_t replicas = 0;  // read
  uint64_t bytes = 0;     // read
  uint64_t findings = 0;  // replicas found bad, by reading them or by their files
  uint64_t sweeps = 0;
  uint64_t vanished = 0;  // replicas without files
  uint64_t adopted = 0;   // files without a replica
  uint64_t laps = 0;      // that have ended, in the volume's life
  BlockId position{};     // the last replica read
  uint64_t lap_bytes = 0;
  uint64_t lap_left_bytes = 0;
  absl::Time lap_started;
  absl::Time lap_expected_end;
};
std::string FormatScanReport(const ScanReport& report);  // one line

class VolumeScanner {
 public:
  // Reads the cursor and starts the thread. `store` and `clock` outlive this.
  VolumeScanner(ReplicaStore& store, int volume, ScanOptions options, Clock& clock);
  ~VolumeScanner();  // saves the cursor
  VolumeScanner(const VolumeScanner&) = delete;
  VolumeScanner& operator=(const VolumeScanner&) = delete;

  // To be looked at soon. Ignored while kMaxSuspects wait, and if nothing is read at all.
  void Suspect(BlockId block) ABSL_LOCKS_EXCLUDED(mu_);
  ScanReport report() const ABSL_LOCKS_EXCLUDED(mu_);

 private:
  void Run() ABSL_LOCKS_EXCLUDED(mu_);
  // What is due now; how long nothing is afterwards.
  absl::Duration Step() ABSL_LOCKS_EXCLUDED(mu_);
  // Waits, or until there is a suspect if `for_work`. False: the end has come.
  bool Pause(absl::Duration duration, bool for_work = false) ABSL_LOCKS_EXCLUDED(mu_);
  bool TakeSuspect(BlockId* block) ABSL_LOCKS_EXCLUDED(mu_);
  void Scan(BlockId block) ABSL_LOCKS_EXCLUDED(mu_);
  void Sweep() ABSL_LOCKS_EXCLUDED(mu_);
  void NextLap();
  absl::Duration Elapsed();  // of the lap
  void Publish() ABSL_LOCKS_EXCLUDED(mu_);
  void Save();

  ReplicaStore& store_;
  const int index_;
  Volume& volume_;
  const ScanOptions options_;
  Clock& clock_;
  BufferPool buffers_;

  // The thread's own. Times by the monotonic clock.
  ScanCursor cursor_;
  absl::Duration lap_began_;
  ReplicaStore::Slice ahead_;  // of the lap; the first `taken_` are done
  size_t taken_ = 0;
  uint64_t left_ = 0;  // bytes of the lap
  absl::Duration next_sweep_, next_save_, next_log_;

  mutable Mutex mu_;
  CondVar wake_;
  std::deque<BlockId> suspects_ ABSL_GUARDED_BY(mu_);
  absl::flat_hash_set<BlockId> suspected_ ABSL_GUARDED_BY(mu_);  // the same
  ScanReport report_ ABSL_GUARDED_BY(mu_);
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  std::thread thread_;
};

}  // namespace cairn::datanode
