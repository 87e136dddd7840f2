#include "datanode/pipeline/disk_pool.h"

#include <system_error>

#include "absl/strings/str_cat.h"
#include "common/check.h"
#include "common/clock.h"
#include "common/logging.h"
#include "common/thread.h"

namespace cairn::datanode {
namespace {

constexpr absl::Duration kStuck = absl::Seconds(1);
// As many jobs may be under way on a disk that hangs before it is given up; then all wait.
constexpr int kMostReplaced = 500;

}  // namespace

DiskPool::DiskPool(int threads) {
  MutexLock lock(mu_);
  for (int i = 0; i < threads; ++i) CHECK(AddWorker()) << "no thread for the disks";
}

DiskPool::~DiskPool() { Stop(); }

bool DiskPool::AddWorker() {
  Worker& worker = workers_.emplace_back();
  try {
    worker.thread = std::thread([this, &worker, number = started_] {
      SetThreadName(absl::StrCat("disk-", number));
      Work(worker);
    });
  } catch (const std::system_error&) {
    workers_.pop_back();
    return false;
  }
  ++started_;
  return true;
}

void DiskPool::Run(absl::AnyInvocable<void()> job) {
  {
    MutexLock lock(mu_);
    if (stopping_) return;
    jobs_.push_back(std::move(job));
  }
  wake_.NotifyOne();
}

void DiskPool::ReplaceStuck() {
  std::list<Worker> ended;
  {
    MutexLock lock(mu_);
    if (stopping_) return;
    for (auto worker = workers_.begin(); worker != workers_.end();) {
      const auto next = std::next(worker);
      if (worker->ended) ended.splice(ended.end(), workers_, worker);
      worker = next;
    }
    const absl::Duration now = SystemClock().Monotonic();
    int added = 0;
    for (Worker& worker : workers_) {
      if (jobs_.size() <= static_cast<size_t>(added) || replaced_ >= kMostReplaced) break;
      if (worker.replaced || worker.began > now - kStuck) continue;
      if (!AddWorker()) break;  // next time, perhaps
      worker.replaced = true;
      ++replaced_;
      ++added;
    }
    if (added > 0) {
      LOG_EVERY_SECONDS(kWarn, 10,
                        "{} disk threads have been at one job for long; others take "
                        "their place",
                        replaced_);
    }
  }
  for (Worker& worker : ended) worker.thread.join();  // is about to end
}

void DiskPool::Stop() {
  std::list<Worker> workers;
  {
    MutexLock lock(mu_);
    stopping_ = true;
    workers.swap(workers_);  // their addresses stay
  }
  wake_.NotifyAll();
  for (Worker& worker : workers) worker.thread.join();
}

void DiskPool::Work(Worker& worker) {
  while (true) {
    absl::AnyInvocable<void()> job;
    {
      MutexLock lock(mu_);
      worker.began = absl::InfiniteDuration();
      if (worker.replaced) {
        --replaced_;
        worker.ended = true;
        return;
      }
      while (jobs_.empty() && !stopping_) wake_.Wait(mu_);
      if (jobs_.empty()) return;
      job = std::move(jobs_.front());
      jobs_.pop_front();
      worker.began = SystemClock().Monotonic();
    }
    job();
  }
}

}  // namespace cairn::datanode
