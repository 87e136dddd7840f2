#include "fuse/stage/stage_area.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/testing/status_matchers.h"
#include "common/testing/temp_dir.h"

namespace cairn::fuse {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

TemporaryName Named(absl::string_view directory) {
  return {"nn:1", "alice",
          absl::StrCat(directory, "/.cairn_stage0000000000004007_", "0123456789abcdef")};
}

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
    const bool noted =
        area.ok() && (*area)->Note(Named("/done")).ok() && (*area)->Note(Named("/left")).ok();
    ::_exit(noted ? 0 : 1);  // as by a kill: nothing is destroyed
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_EQ(status, 0);
  const auto area = Open();
  EXPECT_THAT(Leftovers(*area, "other:1"), IsEmpty());
  const std::string done = "alice " + Named("/done").path;
  const std::string left = "alice " + Named("/left").path;
  EXPECT_THAT(Leftovers(*area, "nn:1", /*removed=*/false), ElementsAre(done, left));
  EXPECT_THAT(Leftovers(*area, "nn:1"), ElementsAre(done, left));
  EXPECT_THAT(Leftovers(*area, "nn:1"), IsEmpty());
}

TEST_F(StageAreaTest, WhatAMountThatRunsIsMakingIsLeftAlone) {
  const auto running = Open();
  ASSERT_OK(running->Note(Named("/a")));
  const auto area = Open();
  EXPECT_THAT(Leftovers(*area, "nn:1"), IsEmpty());
  running->Forget(Named("/a"));
}

TEST_F(StageAreaTest, WhatIsNotedByAnIdAloneIsLeftAlone) {
  const std::string session = directory_ + "/session.1.old";
  const auto area = Open();
  const std::string named = Named("/d").path;
  for (const std::string& path : {std::string("/.reserved/.inodes/16390"),
                                  std::string("/d/.cairn_stage"), named + "0", named + "/f"}) {
    std::ofstream(session) << "nn:1\talice\t" << named << "\nnn:1\talice\t" << path << "\n";
    EXPECT_THAT(Leftovers(*area, "nn:1"), IsEmpty()) << path;
    EXPECT_TRUE(std::filesystem::exists(session));
  }
}

TEST_F(StageAreaTest, WhatIsNotForgottenDoesNotMakeTheSessionGrow) {
  auto area = Open();
  ASSERT_OK(area->Note(Named("/kept/1")));
  ASSERT_OK(area->Note(Named("/kept/2")));
  for (int i = 0; i < 10'000; ++i) {
    const TemporaryName first = Named(absl::StrCat("/d/", i));
    const TemporaryName second = Named(absl::StrCat("/e/", i));
    ASSERT_OK(area->Note(first));
    ASSERT_OK(area->Note(second));
    area->Forget(first);
    area->Forget(second);
  }
  ASSERT_THAT(Files(), SizeIs(1));
  EXPECT_LT(std::filesystem::file_size(directory_ + "/" + Files()[0]), 64u << 10);
  const auto other = Open();
  EXPECT_THAT(Leftovers(*other, "nn:1"), IsEmpty()) << "the new file is locked, too";
  area = nullptr;
  std::vector<std::string> left = Leftovers(*other, "nn:1");
  left.erase(
      std::remove_if(left.begin(), left.end(),
                     [](const std::string& path) { return !absl::StrContains(path, "/kept/"); }),
      left.end());
  EXPECT_THAT(left, UnorderedElementsAre("alice " + Named("/kept/1").path,
                                         "alice " + Named("/kept/2").path));
  EXPECT_THAT(Files(), SizeIs(1));
}

}  // namespace
}  // namespace cairn::fuse
