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

TEST(DescriptorsTest, AsManyAsWantedOrAsThereIsRoomFor) {
  EXPECT_EQ(Affordable("things", 100, 100), 100);
  EXPECT_EQ(Affordable("things", 100, 99), 99);
  EXPECT_EQ(Affordable("things", 100, 99, /*each=*/4), 24);
  EXPECT_EQ(Affordable("things", 100, 0), 16);
  EXPECT_EQ(Affordable("things", 10, 0), 10);
  EXPECT_EQ(Affordable("things", 2'000'000'000, ~uint64_t{0}), 2'000'000'000);
}

}  // namespace
}  // namespace cairn
