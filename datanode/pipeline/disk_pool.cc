#include "datanode/pipeline/disk_pool.h"

#include "absl/strings/str_cat.h"
#include "common/thread.h"

namespace cairn::datanode {

DiskPool::DiskPool(int threads) {
  for (int i = 0; i < threads; ++i) {
    threads_.emplace_back([this, i] {
      SetThreadName(absl::StrCat("disk-", i));
      Work();
    });
  }
}

DiskPool::~DiskPool() { Stop(); }

void DiskPool::Run(absl::AnyInvocable<void()> job) {
  {
    MutexLock lock(mu_);
    if (stopping_) return;
    jobs_.push_back(std::move(job));
  }
  wake_.NotifyOne();
}

void DiskPool::Stop() {
  {
    MutexLock lock(mu_);
    stopping_ = true;
  }
  wake_.NotifyAll();
  for (std::thread& thread : threads_) {
    if (thread.joinable()) thread.join();
  }
}

void DiskPool::Work() {
  while (true) {
    absl::AnyInvocable<void()> job;
    {
      MutexLock lock(mu_);
      while (jobs_.empty() && !stopping_) wake_.Wait(mu_);
      if (jobs_.empty()) return;
      job = std::move(jobs_.front());
      jobs_.pop_front();
    }
    job();
  }
}

}  // namespace cairn::datanode
