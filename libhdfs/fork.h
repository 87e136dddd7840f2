// libhdfs/fork.h - what becomes of the library's tables in a forked child.
//
// A child has none of the threads that connections run on, and shares their sockets with its
// parent: to use them would take answers from the parent, or wait for ever. So whatever is
// connected or open in the parent is no handle in the child (EBADF), and stays untouched there; the
// child connects anew. Its handles are none that the parent has given before.
#pragma once

#include <pthread.h>

namespace cairn::libhdfs {

// One T for the process, for ever: threads may outlive main(). A child begins with
// T::ForChild(parent's), which is called where locks may be held by threads that are not there.
template <typename T>
class PerProcess {
 public:
  PerProcess() { ::pthread_atfork(nullptr, nullptr, &PerProcess::InChild); }
  T& get() const { return *object_; }

 private:
  static void InChild() { object_ = T::ForChild(*object_); }  // the parent's is left as it is

  inline static T* object_ = new T;
};

}  // namespace cairn::libhdfs
