// datanode/pipeline/log_thrown.h - how a coroutine ends that nobody waits for.
#pragma once

#include <exception>

#include "common/logging.h"

namespace cairn::datanode {

// For co_spawn, in the place of asio::detached, which swallows what a coroutine throws: mostly that
// there was no memory. `what` names the coroutine in the log, and is a literal. What others wait
// for belongs into a scope guard of the coroutine itself.
inline auto LogThrown(const char* what) {
  return [what](const std::exception_ptr& thrown) {
    if (thrown == nullptr) return;
    try {
      std::rethrow_exception(thrown);
    } catch (const std::exception& error) {
      LOG_ERROR("{}: ended by an exception: {}", what, error.what());
    }
  };
}

}  // namespace cairn::datanode
