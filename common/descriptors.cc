#include "common/descriptors.h"

#include <dirent.h>
#include <sys/resource.h>

namespace cairn {

DescriptorUse ReadDescriptorUse() {
  DescriptorUse use;
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) use.limit = limit.rlim_cur;
  DIR* const directory = ::opendir("/proc/self/fd");
  if (directory == nullptr) return use;
  while (const dirent* const entry = ::readdir(directory)) {
    if (entry->d_name[0] != '.') ++use.used;
  }
  ::closedir(directory);
  if (use.used > 0) --use.used;  // the directory itself
  return use;
}

}  // namespace cairn
