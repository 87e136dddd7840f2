#include "fuse/attributes.h"

#include <gtest/gtest.h>

namespace cairn::fuse {
namespace {

TEST(Attributes, AFileIsShownWithItsOwnIdLengthAndTimes) {
  client::FileStatus status;
  status.inode = 16'400;
  status.mode = 0640;
  status.length = 1025;
  status.modified = absl::FromUnixMillis(1'600'000'000'123);
  status.accessed = absl::FromUnixMillis(1'600'000'001'456);
  const struct stat s = ToStat(status, 1000, 100);
  EXPECT_EQ(s.st_ino, 16'400u);
  EXPECT_EQ(s.st_mode, S_IFREG | 0640u);
  EXPECT_EQ(s.st_uid, 1000u);
  EXPECT_EQ(s.st_gid, 100u);
  EXPECT_EQ(s.st_size, 1025);
  EXPECT_EQ(s.st_blocks, 3);
  EXPECT_EQ(s.st_mtim.tv_sec, 1'600'000'000);
  EXPECT_EQ(s.st_mtim.tv_nsec, 123'000'000);
  EXPECT_EQ(s.st_atim.tv_sec, 1'600'000'001);
}

TEST(Attributes, ADirectoryHasOneLinkAndNoAccessTimeOfItsOwn) {
  client::FileStatus status;
  status.type = client::FileType::kDirectory;
  status.mode = 01777;
  status.modified = absl::FromUnixMillis(5000);
  status.accessed = absl::UnixEpoch();
  const struct stat s = ToStat(status, 0, 0);
  EXPECT_EQ(s.st_mode, S_IFDIR | 01777u);
  EXPECT_EQ(s.st_nlink, 1u);
  EXPECT_EQ(s.st_atim.tv_sec, 5);
}

}  // namespace
}  // namespace cairn::fuse
