// common/testing/no_more_threads.h - a system that has no thread left for this process.
#pragma once

#include <pthread.h>

#include "common/check.h"

namespace cairn {

// While it lives no thread can be started: each would get a stack beyond the address space.
class NoMoreThreads {
 public:
  NoMoreThreads() {
    pthread_attr_t none;
    CHECK_EQ(::pthread_getattr_default_np(&before_), 0);
    CHECK_EQ(::pthread_getattr_default_np(&none), 0);
    CHECK_EQ(::pthread_attr_setstacksize(&none, size_t{1} << 47), 0);
    CHECK_EQ(::pthread_setattr_default_np(&none), 0);
    ::pthread_attr_destroy(&none);
  }
  ~NoMoreThreads() {
    ::pthread_setattr_default_np(&before_);
    ::pthread_attr_destroy(&before_);
  }
  NoMoreThreads(const NoMoreThreads&) = delete;
  NoMoreThreads& operator=(const NoMoreThreads&) = delete;

 private:
  pthread_attr_t before_;
};

}  // namespace cairn
