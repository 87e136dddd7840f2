#include "tests/sim/disk.h"

#include "common/testing/status_matchers.h"

namespace cairn::sim {
namespace {

constexpr char kPath[] = "/file";

class ProcessDiskTest : public ::testing::Test {
 protected:
  std::unique_ptr<File> Create(ProcessDisk& disk) {
    auto file = disk.Open(kPath, {.create = true, .write = true});
    EXPECT_OK(file);
    return *std::move(file);
  }
  uint64_t SizeNow() {
    ProcessDisk disk(files_);
    const auto file = disk.Open(kPath, {});
    return file.ok() ? (*file)->Size().value_or(0) : 0;
  }

  FaultyFileSystem files_;
  const std::vector<std::byte> page_ = std::vector<std::byte>(512);
};

TEST_F(ProcessDiskTest, AKilledProcessChangesNothing) {
  ProcessDisk disk(files_);
  const auto file = Create(disk);
  ASSERT_OK(file->WriteAt(0, page_));
  disk.Kill();
  EXPECT_THAT(file->WriteAt(512, page_), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(disk.Remove(kPath), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_EQ(SizeNow(), 512u);
}

TEST_F(ProcessDiskTest, ThePowerGoesInTheMiddleOfTheNthChange) {
  ProcessDisk disk(files_);
  const auto file = Create(disk);
  disk.CutPowerAfter(2);
  ASSERT_OK(file->SyncData());
  EXPECT_THROW(disk.SyncDirectory("/").IgnoreError(), PowerCut);
  EXPECT_THAT(file->SyncData(), StatusIs(absl::StatusCode::kUnavailable));
  files_.Crash();
  EXPECT_FALSE(files_.Exists(kPath)) << "its name was not synced";
}

}  // namespace
}  // namespace cairn::sim
