#include "datanode/service/reconfiguration.h"

#include <system_error>
#include <utility>

#include "absl/time/clock.h"
#include "common/fs_error.h"
#include "common/logging.h"
#include "common/thread.h"

namespace cairn::datanode {

Reconfiguration::Reconfiguration(std::vector<std::string> properties, Apply apply)
    : properties_(std::move(properties)), apply_(std::move(apply)) {}

Reconfiguration::~Reconfiguration() { Stop(); }

void Reconfiguration::Stop() {
  std::thread last;
  {
    MutexLock lock(mu_);
    stopped_ = true;
    last.swap(thread_);
  }
  if (last.joinable()) last.join();
}

absl::Status Reconfiguration::Start() {
  MutexLock lock(mu_);
  if (stopped_) return MakeFsError(FsError::kIo, "The datanode is shutting down.");
  if (task_.has_value() && !task_->ended.has_value()) {
    return MakeFsError(FsError::kIo, "Another reconfiguration task is running.");
  }
  if (thread_.joinable()) thread_.join();  // it has ended
  try {
    thread_ = std::thread([this] { Run(); });
  } catch (const std::system_error&) {
    return MakeFsError(FsError::kIo, "The system has no thread for it.");
  }
  task_ = Task{.started = absl::Now()};
  return absl::OkStatus();
}

void Reconfiguration::Run() {
  SetThreadName("reconfigure");
  std::vector<PropertyChange> changes = apply_();
  for (const PropertyChange& change : changes) {
    LOG_INFO("{} changed from \"{}\" to \"{}\": {}", change.name, change.old_value,
             change.new_value, change.status);
  }
  MutexLock done(mu_);
  task_->ended = absl::Now();
  task_->changes = std::move(changes);
}

std::optional<Reconfiguration::Task> Reconfiguration::task() const {
  MutexLock lock(mu_);
  return task_;
}

}  // namespace cairn::datanode
