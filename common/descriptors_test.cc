#include "common/descriptors.h"

#include <fcntl.h>
#include <unistd.h>

#include "common/testing/status_matchers.h"

namespace cairn {
namespace {

TEST(DescriptorsTest, AnOpenFileIsOneMore) {
  const DescriptorUse before = ReadDescriptorUse();
  const int fd = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  ASSERT_GE(fd, 0);
  const DescriptorUse after = ReadDescriptorUse();
  ::close(fd);
  EXPECT_EQ(after.used, before.used + 1);
  EXPECT_GE(after.limit, after.used);
}

}  // namespace
}  // namespace cairn
