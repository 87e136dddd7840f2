#include "common/thread.h"

#include <pthread.h>

#include <string>

namespace cairn {

void SetThreadName(absl::string_view name) {
  constexpr size_t kLinuxLimit = 15;
  const std::string shortened(name.substr(0, kLinuxLimit));
  pthread_setname_np(pthread_self(), shortened.c_str());  // it can only fail for being too long
}

}  // namespace cairn
