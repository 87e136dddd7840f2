#include "common/net/domain_socket.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>

#include "absl/strings/str_cat.h"
#include "common/testing/status_matchers.h"
#include "common/testing/temp_dir.h"

namespace cairn {
namespace {

using absl::StatusCode;
using ::testing::HasSubstr;

TEST(DomainSocket, ThePortStandsInThePath) {
  EXPECT_EQ(DomainSocketPath("/run/dn._PORT", 9866), "/run/dn.9866");
  EXPECT_EQ(DomainSocketPath("/run/dn", 9866), "/run/dn");
}

class DomainSocketPathTest : public ::testing::Test {
 protected:
  std::string MakeDirectory(const std::string& name, mode_t mode) {
    const std::string path = dir_.Path(name);
    EXPECT_EQ(::mkdir(path.c_str(), 0700), 0);
    EXPECT_EQ(::chmod(path.c_str(), mode), 0);  // whatever the umask
    return path;
  }
  TempDir dir_;
};

TEST_F(DomainSocketPathTest, WhereOnlyItsOwnerWritesIsGood) {
  const std::string good = MakeDirectory("good", 0755);
  EXPECT_OK(CheckDomainSocketPath(good + "/dn.1", false));
  EXPECT_THAT(CheckDomainSocketPath(good + "/dn.1", true), StatusIs(StatusCode::kNotFound));
  EXPECT_THAT(CheckDomainSocketPath(good + "/none/dn.1", false), StatusIs(StatusCode::kNotFound));
  // As /tmp: what is ours there stays ours.
  const std::string sticky = MakeDirectory("sticky", 01777);
  EXPECT_OK(CheckDomainSocketPath(sticky + "/dn.1", false));
}

TEST_F(DomainSocketPathTest, WhereOthersWriteIsRefused) {
  const std::string open = MakeDirectory("open", 0777);
  ASSERT_EQ(::mkdir((open + "/inner").c_str(), 0755), 0);
  EXPECT_THAT(CheckDomainSocketPath(open + "/inner/dn.1", false),
              StatusIs(StatusCode::kFailedPrecondition, HasSubstr("others can write there")));
  const int fd = ::open((open + "/dn.1").c_str(), O_CREAT | O_WRONLY, 0600);
  ASSERT_GE(fd, 0);
  ::close(fd);
  EXPECT_THAT(CheckDomainSocketPath(open + "/dn.1", true),
              StatusIs(StatusCode::kFailedPrecondition));
  EXPECT_THAT(CheckDomainSocketPath(open + "/dn.2", false),
              StatusIs(StatusCode::kFailedPrecondition))
      << "whatever is put there later";
  // By its group, unless that is root's.
  const std::string of_group = MakeDirectory("group", 0775);
  EXPECT_OK(CheckDomainSocketPath(of_group + "/dn.1", false));
  if (::geteuid() != 0) return;
  ASSERT_EQ(::chown(of_group.c_str(), 0, 1), 0);
  EXPECT_THAT(CheckDomainSocketPath(of_group + "/dn.1", false),
              StatusIs(StatusCode::kFailedPrecondition));
  // What is somebody else's in a directory like /tmp.
  const std::string sticky = MakeDirectory("sticky", 01777);
  ASSERT_EQ(::mkdir((sticky + "/others").c_str(), 0755), 0);
  ASSERT_EQ(::chown((sticky + "/others").c_str(), 1, 1), 0);
  EXPECT_THAT(CheckDomainSocketPath(sticky + "/others/dn.1", false),
              StatusIs(StatusCode::kFailedPrecondition, HasSubstr("belongs to uid 1")));
}

TEST_F(DomainSocketPathTest, ALinkIsFollowedByItsMakersRight) {
  const std::string good = MakeDirectory("good", 0755);
  const std::string open = MakeDirectory("open", 0777);
  ASSERT_EQ(::symlink(good.c_str(), dir_.Path("to-good").c_str()), 0);
  ASSERT_EQ(::symlink(open.c_str(), dir_.Path("to-open").c_str()), 0);
  EXPECT_OK(CheckDomainSocketPath(dir_.Path("to-good") + "/dn.1", false));
  ASSERT_EQ(::mkdir((open + "/inner").c_str(), 0755), 0);
  EXPECT_THAT(CheckDomainSocketPath(dir_.Path("to-open") + "/inner/dn.1", false),
              StatusIs(StatusCode::kFailedPrecondition));
  // Each link of a chain counts, not only where it ends.
  ASSERT_EQ(::symlink(good.c_str(), (open + "/link").c_str()), 0);
  ASSERT_EQ(::symlink("open/link", dir_.Path("chain").c_str()), 0);
  EXPECT_THAT(CheckDomainSocketPath(dir_.Path("chain") + "/dn.1", false),
              StatusIs(StatusCode::kFailedPrecondition));
  ASSERT_EQ(::symlink("good", dir_.Path("relative").c_str()), 0);
  EXPECT_OK(CheckDomainSocketPath(dir_.Path("relative") + "/dn.1", false));
  ASSERT_EQ(::symlink("round", dir_.Path("round").c_str()), 0);
  EXPECT_THAT(CheckDomainSocketPath(dir_.Path("round") + "/dn.1", false),
              StatusIs(StatusCode::kFailedPrecondition, HasSubstr("too many")));
  ASSERT_EQ(::symlink("/dev/null", (good + "/dn.2").c_str()), 0);
  EXPECT_THAT(CheckDomainSocketPath(good + "/dn.2", true),
              StatusIs(StatusCode::kFailedPrecondition, HasSubstr("symbolic link")));
}

TEST_F(DomainSocketPathTest, APathThatNoSocketCanHaveIsRefused) {
  EXPECT_THAT(CheckDomainSocketPath("", false), StatusIs(StatusCode::kInvalidArgument));
  EXPECT_THAT(CheckDomainSocketPath("run/dn", false), StatusIs(StatusCode::kInvalidArgument));
  EXPECT_THAT(CheckDomainSocketPath("/" + std::string(200, 'x'), false),
              StatusIs(StatusCode::kInvalidArgument, HasSubstr("at most 107")));
}

class DescriptorsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends_.data()), 0);
    ASSERT_EQ(::pipe(pipe_.data()), 0);
  }
  void TearDown() override {
    for (const int fd : {ends_[0], ends_[1], pipe_[0], pipe_[1]}) ::close(fd);
  }
  std::array<int, 2> ends_{}, pipe_{};
};

TEST_F(DescriptorsTest, CopiesArrive) {
  ASSERT_EQ(SendDescriptors(ends_[0], std::byte{7}, std::span(pipe_)), 1);
  std::array<int, 2> came{};
  EXPECT_THAT(ReceiveDescriptors(ends_[1], came), IsOkAndHolds(std::byte{7}));
  ASSERT_EQ(::write(came[1], "x", 1), 1);
  char byte = 0;
  EXPECT_EQ(::read(pipe_[0], &byte, 1), 1);
  EXPECT_EQ(byte, 'x');
  for (const int fd : came) {
    EXPECT_NE(::fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
    ::close(fd);
  }
}

TEST_F(DescriptorsTest, AnotherNumberOfThemIsRefusedAndTheyAreClosed) {
  const int next = ::dup(pipe_[0]);  // the number that a new one would have
  ::close(next);
  std::array<int, 1> one{};
  ASSERT_EQ(SendDescriptors(ends_[0], std::byte{1}, std::span(pipe_)), 1);
  EXPECT_THAT(ReceiveDescriptors(ends_[1], one),
              StatusIs(StatusCode::kUnavailable, HasSubstr("2 descriptors came instead of 1")));
  ASSERT_EQ(::write(ends_[0], "x", 1), 1);
  EXPECT_THAT(ReceiveDescriptors(ends_[1], one),
              StatusIs(StatusCode::kUnavailable, HasSubstr("0 descriptors came instead of 1")));
  ::shutdown(ends_[0], SHUT_RDWR);
  EXPECT_THAT(ReceiveDescriptors(ends_[1], one), StatusIs(StatusCode::kUnavailable));
  const int after = ::dup(pipe_[0]);
  EXPECT_EQ(after, next) << "one of those that came is still open";
  ::close(after);
}

}  // namespace
}  // namespace cairn
