// common/net/io_threads.h - the threads that run sockets.
//
// One io_context per thread, so that everything of one connection runs on one thread without locks,
// and a request is completed by the thread that read it: waking another core costs 40 us, more than
// most requests.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "boost/asio/executor_work_guard.hpp"
#include "boost/asio/io_context.hpp"

namespace cairn {

class IoThreads {
 public:
  // Starts `count` threads named NAME-0, NAME-1, ...
  IoThreads(int count, const std::string& name);
  ~IoThreads();  // Stop()
  IoThreads(const IoThreads&) = delete;
  IoThreads& operator=(const IoThreads&) = delete;

  int size() const { return static_cast<int>(threads_.size()); }
  boost::asio::io_context& context(int index) { return *contexts_[index]; }
  // Contexts in turn, for new connections. Thread-safe.
  boost::asio::io_context& Next();
  // Ends the loops and joins the threads; what was queued is not run. Idempotent; not from a loop.
  void Stop();

 private:
  using WorkGuard = boost::asio::executor_work_guard<boost::asio::io_context::executor_type>;
  std::vector<std::unique_ptr<boost::asio::io_context>> contexts_;
  std::vector<WorkGuard> guards_;
  std::vector<std::thread> threads_;
  std::atomic<unsigned> next_{0};
};

}  // namespace cairn
