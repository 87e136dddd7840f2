#include "fuse/virtual_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "common/version.h"

namespace cairn::fuse {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

class VirtualFilesTest : public ::testing::Test {
 protected:
  VirtualFilesTest() {
    status_.source = "hdfs://h:1/";
    status_.files = {.open = 3, .written = 1};
    statistics_.Observe(Operation::kRead, absl::Milliseconds(1));
  }

  std::string Text(absl::string_view name) {
    const std::optional<fuse_ino_t> ino = FindVirtualFile(name);
    EXPECT_TRUE(ino.has_value()) << name;
    return ino.has_value() ? VirtualText(*ino, status_, statistics_) : "";
  }

  MountStatus status_;
  Statistics statistics_;
};

TEST_F(VirtualFilesTest, SayWhatCairnMountStatusSays) {
  EXPECT_THAT(Text("status"), StartsWith("hdfs://h:1/\nmounted for "));
  EXPECT_THAT(Text("status"), HasSubstr("open files: 3, of these for writing 1\n"));
  const auto json = nlohmann::json::parse(Text("status.json"));
  EXPECT_EQ(json["operations"]["read"]["calls"], 1);
  EXPECT_THAT(
      Text("metrics"),
      HasSubstr(
          "cairn_fuse_operation_seconds_count{source=\"hdfs://h:1/\",operation=\"read\"} 1\n"));
  EXPECT_THAT(Text("version"), StartsWith(std::string("cairn-fuse ") + kVersion + ", libfuse 3."));
}

// A cluster's inode is never taken for one of them, nor the other way round.
TEST_F(VirtualFilesTest, TheirNumbersLieBetweenTheRootsAndTheClusters) {
  EXPECT_FALSE(IsVirtualInode(FUSE_ROOT_ID));
  EXPECT_TRUE(IsVirtualInode(kVirtualDirectory));
  EXPECT_TRUE(IsVirtualInode(kLastVirtual));
  EXPECT_FALSE(IsVirtualInode(kLastVirtual + 1));
  for (const auto& [name, ino] : VirtualFiles()) {
    EXPECT_TRUE(IsVirtualInode(ino) && ino != kVirtualDirectory) << name;
    EXPECT_EQ(FindVirtualFile(name), ino);
    EXPECT_NE(VirtualText(ino, status_, statistics_), "") << name;
  }
  EXPECT_FALSE(FindVirtualFile("statu").has_value());
  EXPECT_EQ(VirtualText(kLastVirtual, status_, statistics_), "");
}

TEST_F(VirtualFilesTest, NobodyMayWriteThem) {
  const absl::Time begun = absl::FromUnixSeconds(1'700'000'000);
  EXPECT_EQ(VirtualAttributes(kVirtualDirectory, 7, begun).st_mode, S_IFDIR | 0555u);
  const struct stat file = VirtualAttributes(*FindVirtualFile("status"), 7, begun);
  EXPECT_EQ(file.st_mode, S_IFREG | 0444u);
  EXPECT_EQ(file.st_uid, 7u);
  EXPECT_EQ(file.st_size, 0);
  EXPECT_EQ(file.st_ctim.tv_sec, 1'700'000'000);
}

TEST_F(VirtualFilesTest, AnOpenOneIsReadAPieceAtATime) {
  std::atomic<size_t> open = 0;
  const auto file = OpenVirtualFile::Open("0123456789", open);
  ASSERT_NE(file, nullptr);
  EXPECT_EQ(file->Read(0, 4), "0123");
  EXPECT_EQ(file->Read(8, 4), "89");
  EXPECT_EQ(file->Read(10, 4), "");
  EXPECT_EQ(file->Read(UINT64_MAX, 4), "");
}

TEST_F(VirtualFilesTest, OnlySoManyAreOpen) {
  std::atomic<size_t> open = 0;
  std::vector<std::unique_ptr<OpenVirtualFile>> files;
  for (size_t i = 0; i < OpenVirtualFile::kMost; ++i) {
    files.push_back(OpenVirtualFile::Open("", open));
    ASSERT_NE(files.back(), nullptr);
  }
  EXPECT_EQ(OpenVirtualFile::Open("", open), nullptr);
  files.pop_back();
  EXPECT_NE(OpenVirtualFile::Open("", open), nullptr);
  files.clear();
  EXPECT_EQ(open, 0u);
}

}  // namespace
}  // namespace cairn::fuse
