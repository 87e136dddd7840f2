// client/stream_keeper.h - moves the bytes of output streams while nobody calls them.
//
// A stream sends and receives in the calls of its application. Between two calls, which may be
// hours apart, this thread sends what the socket did not take at once, reads acknowledgements, and
// has heartbeats sent: datanodes give a silent writer up. One thread per file system, started with
// the first stream; apart from the lease renewer's, which waits for the namenode.
//
// It looks at all streams every `period`, and every kTick while one of them has bytes to send: a
// look costs less than having each call of a busy stream tell the thread what to wait for.
#pragma once

#include <atomic>
#include <thread>

#include "absl/time/time.h"
#include "client/registry.h"
#include "common/mutex.h"

namespace cairn::client {

// Called from the keeper's thread; does not wait for a peer or for a call of the application.
class KeptStream {
 public:
  virtual ~KeptStream() = default;  // removed before
  // True: there are bytes that the socket does not take yet.
  virtual bool Serve() = 0;
};

class StreamKeeper {
 public:
  static constexpr absl::Duration kTick = absl::Milliseconds(10);

  explicit StreamKeeper(absl::Duration period) : period_(period) {}
  ~StreamKeeper();  // joins the thread
  StreamKeeper(const StreamKeeper&) = delete;
  StreamKeeper& operator=(const StreamKeeper&) = delete;

  void Add(KeptStream& stream) ABSL_LOCKS_EXCLUDED(mu_);
  void Remove(KeptStream& stream) { streams_.Remove(stream); }  // see Registry::Remove
  // A stream has bytes left to send. Cheap while the thread knows of some already. May be called
  // with the stream's lock.
  void Want() ABSL_LOCKS_EXCLUDED(mu_);

 private:
  void Run() ABSL_LOCKS_EXCLUDED(mu_);
  // Sleeps until the next look. False: the end.
  bool WaitForNext() ABSL_LOCKS_EXCLUDED(mu_);

  const absl::Duration period_;
  Registry<KeptStream> streams_;
  std::atomic<bool> wanted_ = false;  // a stream has bytes to send; set before mu_ is taken
  Mutex mu_;
  CondVar changed_;
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  std::thread thread_;  // started under mu_, joined by the destructor
};

}  // namespace cairn::client
