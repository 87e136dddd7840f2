#include "fuse/stage/stage_area.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

#include "common/testing/status_matchers.h"
#include "common/testing/temp_dir.h"

namespace cairn::fuse {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class StageAreaTest : public ::testing::Test {
 protected:
  std::unique_ptr<StageArea> Open() {
    auto area = StageArea::Open({.directory = directory_, .bytes = 1000});
    EXPECT_OK(area.status());
    return *std::move(area);
  }
  std::vector<std::string> Files() {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(directory_)) {
      names.push_back(entry.path().filename().string());
    }
    return names;
  }
  // What a mount of `authority` finds of others.
  std::vector<std::string> Leftovers(StageArea& area, absl::string_view authority,
                                     bool removed = true) {
    std::vector<std::string> paths;
    area.RemoveLeftovers(authority, [&](const TemporaryName& name) {
      paths.push_back(name.user + " " + name.path);
      return removed;
    });
    return paths;
  }

  TempDir temp_;
  const std::string directory_ = temp_.path() + "/stage";
};

TEST_F(StageAreaTest, ItIsForNobodyElse) {
  const auto area = Open();
  struct stat info {};
  ASSERT_EQ(::stat(directory_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0700u);
  ASSERT_EQ(::chmod(directory_.c_str(), 0755), 0);
  EXPECT_THAT(StageArea::Open({.directory = directory_, .bytes = 1}),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("700")));
  ASSERT_EQ(::symlink(directory_.c_str(), (directory_ + "-link").c_str()), 0);
  EXPECT_THAT(StageArea::Open({.directory = directory_ + "-link", .bytes = 1}),
              StatusIs(absl::StatusCode::kFailedPrecondition));
}

TEST_F(StageAreaTest, ItIsBounded) {
  const auto area = Open();
  EXPECT_OK(area->Reserve(600));
  EXPECT_OK(area->Reserve(400));
  EXPECT_THAT(area->Reserve(1), StatusIs(absl::StatusCode::kResourceExhausted));
  area->Release(400);
  EXPECT_THAT(area->Reserve(401), StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_OK(area->Reserve(400));
  EXPECT_THAT(area->Reserve(UINT64_MAX), StatusIs(absl::StatusCode::kResourceExhausted));
}

TEST_F(StageAreaTest, ItsFilesHaveNoNames) {
  {
    const auto area = Open();
    ASSERT_OK_AND_ASSIGN(const int fd, area->NewFile());
    EXPECT_EQ(Files().size(), 1u) << "the session's";
    EXPECT_EQ(::pwrite(fd, "x", 1, 0), 1);
    ::close(fd);
  }
  EXPECT_THAT(Files(), IsEmpty());
}

TEST_F(StageAreaTest, WhatAKilledMountWasMakingIsFoundByTheNextOne) {
  const pid_t child = ::fork();
  if (child == 0) {
    auto area = StageArea::Open({.directory = directory_, .bytes = 1});
    const bool noted = area.ok() && (*area)->Note({"nn:1", "alice", "/done"}).ok() &&
                       (*area)->Note({"nn:1", "alice", "/left"}).ok();
    ::_exit(noted ? 0 : 1);  // as by a kill: nothing is destroyed
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_EQ(status, 0);
  const auto area = Open();
  EXPECT_THAT(Leftovers(*area, "other:1"), IsEmpty());
  EXPECT_THAT(Leftovers(*area, "nn:1", /*removed=*/false),
              ElementsAre("alice /done", "alice /left"));
  EXPECT_THAT(Leftovers(*area, "nn:1"), ElementsAre("alice /done", "alice /left"));
  EXPECT_THAT(Leftovers(*area, "nn:1"), IsEmpty());
}

TEST_F(StageAreaTest, WhatAMountThatRunsIsMakingIsLeftAlone) {
  const auto running = Open();
  ASSERT_OK(running->Note({"nn:1", "alice", "/a"}));
  const auto area = Open();
  EXPECT_THAT(Leftovers(*area, "nn:1"), IsEmpty());
  running->ForgetOne();
}

}  // namespace
}  // namespace cairn::fuse
