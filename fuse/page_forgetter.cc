#include "fuse/page_forgetter.h"

#include "common/thread.h"

namespace cairn::fuse {

void PageForgetter::Start(fuse_session* session) {
  {
    MutexLock lock(mu_);
    running_ = true;
  }
  thread_ = std::thread([this, session] { Run(session); });
}

void PageForgetter::Stop() {
  {
    MutexLock lock(mu_);
    running_ = false;
    waiting_.clear();
  }
  wake_.NotifyAll();
  if (thread_.joinable()) thread_.join();
}

void PageForgetter::Forget(fuse_ino_t ino) {
  {
    MutexLock lock(mu_);
    if (!running_) return;
    waiting_.push_back(ino);
  }
  wake_.NotifyAll();
}

void PageForgetter::Run(fuse_session* session) {
  SetThreadName("page-forgetter");
  while (true) {
    fuse_ino_t ino = 0;
    {
      MutexLock lock(mu_);
      while (running_ && waiting_.empty()) wake_.Wait(mu_);
      if (!running_) return;
      ino = waiting_.front();
      waiting_.pop_front();
    }
    // One that the kernel does not know has no pages.
    fuse_lowlevel_notify_inval_inode(session, ino, 0, 0);
  }
}

}  // namespace cairn::fuse
