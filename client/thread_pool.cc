#include "client/thread_pool.h"

#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/thread.h"

namespace cairn::client {

ThreadPool::ThreadPool(size_t threads, std::string name) : size_(threads), name_(std::move(name)) {}

ThreadPool::~ThreadPool() {
  {
    MutexLock lock(mu_);
    stopping_ = true;
    changed_.NotifyAll();
  }
  for (std::thread& thread : threads_) thread.join();
}

bool ThreadPool::TryRun(std::function<void()> job) {
  MutexLock lock(mu_);
  if (busy_ == size_ || (busy_ == threads_.size() && !Start())) return false;
  begun_.push_back(std::move(job));
  ++busy_;
  changed_.NotifyOne();
  return true;
}

bool ThreadPool::Start() {
  try {
    threads_.emplace_back([this, number = threads_.size()] {
      SetThreadName(absl::StrCat(name_, "-", number));
      Work();
    });
  } catch (const std::system_error&) {  // the process, or the user, has as many as it may
    return false;
  }
  return true;
}

void ThreadPool::Work() {
  while (true) {
    std::function<void()> job;
    {
      MutexLock lock(mu_);
      while (begun_.empty() && !stopping_) changed_.Wait(mu_);
      if (begun_.empty()) return;
      job = std::move(begun_.front());
      begun_.pop_front();
    }
    job();
    job = nullptr;  // with all that it holds, before its place is free
    MutexLock lock(mu_);
    --busy_;
  }
}

}  // namespace cairn::client
