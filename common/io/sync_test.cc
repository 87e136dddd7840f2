#include "common/io/sync.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "common/io/file_system.h"
#include "common/io/run_program.h"
#include "common/testing/status_matchers.h"
#include "common/testing/temp_dir.h"

namespace cairn {
namespace {

constexpr char kMakeXfs[] = "/usr/sbin/mkfs.xfs";
constexpr char kXfsIo[] = "/usr/sbin/xfs_io";

void Command(std::vector<std::string> arguments) {
  ASSERT_OK(RunProgram({.arguments = std::move(arguments), .time_limit = absl::Minutes(1)}));
}

// An XFS of its own, mounted.
class SyncTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "mounting needs root";
    for (const char* program : {kMakeXfs, kXfsIo}) {
      if (!files_.Exists(program)) GTEST_SKIP() << program << " is not installed (xfsprogs)";
    }
    ASSERT_OK(files_.MakeDirectory(mount_));
    ASSERT_OK_AND_ASSIGN(const auto image,
                         files_.Open(dir_.Path("image"), {.create = true, .write = true}));
    ASSERT_OK(image->Truncate(320 << 20));
    ASSERT_NO_FATAL_FAILURE(Command({kMakeXfs, "-q", dir_.Path("image")}));
    if (const auto mounted = TryMount(); !mounted.ok()) GTEST_SKIP() << mounted.status();
    ASSERT_OK(files_.MakeDirectories(mount_ + "/from"));
    ASSERT_OK(files_.MakeDirectories(mount_ + "/to"));
    ASSERT_OK_AND_ASSIGN(const auto file,
                         files_.Open(mount_ + "/from/f", {.create = true, .write = true}));
    ASSERT_OK(file->SyncData());
    ASSERT_OK(files_.SyncDirectory(mount_ + "/from"));
  }
  void TearDown() override {
    if (mounted_) Unmount();
  }

  absl::StatusOr<std::string> TryMount() {
    auto done =
        RunProgram({.arguments = {"/usr/bin/mount", "-o", "loop", dir_.Path("image"), mount_},
                    .time_limit = absl::Minutes(1)});
    mounted_ = done.ok();
    return done;
  }
  void Unmount() {
    ASSERT_NO_FATAL_FAILURE(Command({"/usr/bin/umount", mount_}));
    mounted_ = false;
  }
  // What is only in memory is lost.
  void ShutDown() { Command({kXfsIo, "-x", "-c", "shutdown", mount_}); }

  FileSystem& files_ = PosixFileSystem();
  TempDir dir_;
  const std::string mount_ = dir_.Path("mnt");
  bool mounted_ = false;
};

TEST_F(SyncTest, NamesOnADiskThatIsGivenUpAreNotCalledDurable) {
  const int to = ::open((mount_ + "/to").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  ASSERT_GE(to, 0);
  {
    const absl::Cleanup close = [&] { ::close(to); };
    EXPECT_OK(SyncNames(to, "to"));
    ASSERT_OK(files_.Rename(mount_ + "/from/f", mount_ + "/to/f"));
    ASSERT_NO_FATAL_FAILURE(ShutDown());
    EXPECT_THAT(SyncNames(to, "to"), StatusIs(absl::StatusCode::kDataLoss));
  }
  ASSERT_NO_FATAL_FAILURE(Unmount());
  ASSERT_OK(TryMount());
  EXPECT_TRUE(files_.Exists(mount_ + "/from/f")) << "nothing was lost: this test shows nothing";
}

TEST_F(SyncTest, BytesOnADiskThatIsGivenUpAreNotCalledDurable) {
  ASSERT_OK_AND_ASSIGN(const auto file, files_.Open(mount_ + "/from/f", {.write = true}));
  ASSERT_OK(file->WriteAt(0, std::as_bytes(std::span("abc", 3))));
  EXPECT_OK(file->SyncData());
  ASSERT_OK(file->WriteAt(3, std::as_bytes(std::span("def", 3))));
  ASSERT_NO_FATAL_FAILURE(ShutDown());
  EXPECT_THAT(SyncFileData(file->fd(), "f"), StatusIs(absl::StatusCode::kDataLoss));
}

}  // namespace
}  // namespace cairn
