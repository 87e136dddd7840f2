#include "common/descriptors.h"

#include <dirent.h>
#include <sys/resource.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "common/logging.h"

namespace cairn {

DescriptorUse ReadDescriptorUse() {
  DescriptorUse use;
  use.limit = DescriptorLimit();
  DIR* const directory = ::opendir("/proc/self/fd");
  if (directory == nullptr) return use;
  while (const dirent* const entry = ::readdir(directory)) {
    if (entry->d_name[0] != '.') ++use.used;
  }
  ::closedir(directory);
  if (use.used > 0) --use.used;  // the directory itself
  return use;
}

uint64_t DescriptorLimit() {
  rlimit limit{};
  return ::getrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_cur : 0;
}

void RaiseDescriptorLimit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  const rlim_t before = std::exchange(limit.rlim_cur, limit.rlim_max);
  if (::setrlimit(RLIMIT_NOFILE, &limit) == 0) return;
  LOG_WARN("the limit of file descriptors stays {}, where {} would be allowed: {}", before,
           limit.rlim_max, std::strerror(errno));
}

int Affordable(absl::string_view what, int wanted, uint64_t descriptors, int each) {
  constexpr uint64_t kFewest = 16;
  const uint64_t most = std::max(descriptors / static_cast<uint64_t>(each), kFewest);
  if (static_cast<uint64_t>(wanted) <= most) return wanted;
  LOG_WARN("at most {} {} instead of {}: the limit of file descriptors is {} (ulimit -Hn)", most,
           what, wanted, DescriptorLimit());
  return static_cast<int>(most);
}

}  // namespace cairn
