#include "common/out_of_memory.h"

#include <unistd.h>

#include <cstdlib>
#include <exception>
#include <new>

#include "absl/strings/string_view.h"

namespace cairn {
namespace {

constexpr absl::string_view kLastWords =
    "out of memory: the process ends, since what it was doing cannot be left half done\n";

std::terminate_handler handler_before = nullptr;

// Allocates nothing.
[[noreturn]] void OnTerminate() {
  try {
    if (std::current_exception() != nullptr) throw;
  } catch (const std::bad_alloc&) {
    [[maybe_unused]] const ssize_t ignored =
        ::write(STDERR_FILENO, kLastWords.data(), kLastWords.size());
  } catch (...) {  // whatever it is, the handler before tells
  }
  if (handler_before != nullptr) handler_before();
  std::abort();
}

}  // namespace

void SayWhenOutOfMemory() {
  if (std::get_terminate() != &OnTerminate) handler_before = std::set_terminate(&OnTerminate);
}

}  // namespace cairn
