// datanode/service/reconfiguration.h - reading the configuration again while running: one task at a
// time, as `dfsadmin -reconfig` knows it.
//
// Source of the behaviour: Apache Hadoop's ReconfigurableBase.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/mutex.h"

namespace cairn::datanode {

// A property that was to be changed.
struct PropertyChange {
  std::string name;
  std::string old_value;
  std::string new_value;
  absl::Status status;  // OK: it is in force
};

// Thread-safe.
class Reconfiguration {
 public:
  // `apply` reads the configuration and makes what differs true; it may take long, and runs on a
  // thread of its own.
  using Apply = std::function<std::vector<PropertyChange>()>;
  Reconfiguration(std::vector<std::string> properties, Apply apply);
  ~Reconfiguration();  // Stop()
  Reconfiguration(const Reconfiguration&) = delete;
  Reconfiguration& operator=(const Reconfiguration&) = delete;

  const std::vector<std::string>& properties() const { return properties_; }
  // FsError::kIo: one is running, Stop was called, or the system has no thread left.
  absl::Status Start() ABSL_LOCKS_EXCLUDED(mu_);
  // Waits for the task; none begins any more. Idempotent.
  void Stop() ABSL_LOCKS_EXCLUDED(mu_);

  struct Task {
    absl::Time started;
    std::optional<absl::Time> ended;  // absent: it is running
    std::vector<PropertyChange> changes;
  };
  // The last one; nothing if there was none.
  std::optional<Task> task() const ABSL_LOCKS_EXCLUDED(mu_);

 private:
  void Run() ABSL_LOCKS_EXCLUDED(mu_);

  const std::vector<std::string> properties_;
  const Apply apply_;
  mutable Mutex mu_;
  std::optional<Task> task_ ABSL_GUARDED_BY(mu_);
  std::thread thread_ ABSL_GUARDED_BY(mu_);
  bool stopped_ ABSL_GUARDED_BY(mu_) = false;
};

}  // namespace cairn::datanode
