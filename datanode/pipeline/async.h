// datanode/pipeline/async.h - small helpers for Asio coroutines: a signal, and early returns.
#pragma once

#include <utility>

#include "absl/status/statusor.h"
#include "boost/asio/awaitable.hpp"
#include "boost/asio/redirect_error.hpp"
#include "boost/asio/steady_timer.hpp"
#include "boost/asio/this_coro.hpp"
#include "boost/asio/use_awaitable.hpp"

#define CO_RETURN_IF_ERROR(expr)                                                           \
  do {                                                                                     \
    if (absl::Status status_macro_ = (expr); !status_macro_.ok()) co_return status_macro_; \
  } while (false)

namespace cairn::datanode {

using boost::asio::awaitable;

// "Something changed": coroutines of one thread wait in a loop around their condition. All calls
// come from the executor's thread.
class Signal {
 public:
  template <typename Executor>
  explicit Signal(const Executor& executor)
      : timer_(executor, boost::asio::steady_timer::time_point::max()) {}

  awaitable<void> Wait() {
    boost::system::error_code ignored;  // being cancelled is what we wait for
    co_await timer_.async_wait(boost::asio::redirect_error(boost::asio::use_awaitable, ignored));
  }
  void Notify() { timer_.cancel(); }

 private:
  boost::asio::steady_timer timer_;
};

}  // namespace cairn::datanode
