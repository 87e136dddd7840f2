#include "tools/fsck/file_verifier.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <latch>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "common/testing/status_matchers.h"

namespace cairn::tools {
namespace {

using client::BlockReport;
using client::FileReport;
using client::GroupFinding;
using ::testing::ElementsAre;

FileReport CodedFile(const std::string& path, std::vector<uint64_t> groups) {
  FileReport file;
  file.path = path;
  file.erasure_policy = "RS-3-2-1024k";
  for (const uint64_t id : groups) file.blocks.emplace_back().id = id;
  return file;
}

GroupFinding FindingOf(uint64_t id) { return {.unit_bytes = id}; }

class FileVerifierTest : public ::testing::Test {
 protected:
  void Tell(const FileReport& file, const GroupFindings& findings) {
    told_.push_back(file.path);
    if (file.erasure_policy.empty()) {
      EXPECT_TRUE(findings.empty());
      return;
    }
    ASSERT_EQ(findings.size(), file.blocks.size());
    for (size_t i = 0; i < findings.size(); ++i) {
      ASSERT_EQ(findings[i].has_value(), !file.blocks[i].under_construction);
      if (findings[i].has_value()) {
        EXPECT_EQ(findings[i]->unit_bytes, file.blocks[i].id);
      }
    }
  }
  void Add(FileVerifier& verifier, FileReport file) {
    verifier.Add(std::move(file), [this](const FileReport& told, const GroupFindings& findings) {
      Tell(told, findings);
    });
  }
  void AddOther(FileVerifier& verifier, const std::string& path) {
    verifier.AddOther([this, path] { told_.push_back(path); });
  }

  std::vector<std::string> told_;
};

TEST_F(FileVerifierTest, FilesAreToldInTheirOrderWithWhatWasFoundOfEachGroup) {
  std::latch last_is_done(1);
  FileVerifier verifier(2, [&](const std::string&, const BlockReport& group) {
    EXPECT_FALSE(group.under_construction);
    if (group.id == 1) last_is_done.wait();
    if (group.id == 3) last_is_done.count_down();
    return FindingOf(group.id);
  });
  AddOther(verifier, "/");
  Add(verifier, CodedFile("/1", {1}));
  FileReport open = CodedFile("/2", {2, 4});
  open.blocks[1].under_construction = true;
  Add(verifier, open);
  FileReport plain = CodedFile("/plain", {9});
  plain.erasure_policy.clear();
  Add(verifier, plain);
  AddOther(verifier, "/link");
  Add(verifier, CodedFile("/3", {3}));
  EXPECT_OK(verifier.Finish());
  EXPECT_THAT(told_, ElementsAre("/", "/1", "/2", "/plain", "/link", "/3"));
}

// Whoever is still being looked at: of it everything is known at the end.
TEST_F(FileVerifierTest, FilesBeforeTheOneThatFailsAreToldAndNoOthers) {
  std::latch begun(2), failed(1);
  FileVerifier verifier(2, [&](const std::string&, const BlockReport& group) {
    if (group.id <= 2) begun.arrive_and_wait();
    if (group.id == 1) failed.wait();
    return group.id == 2 ? absl::StatusOr<GroupFinding>(absl::UnavailableError("gone"))
                         : FindingOf(group.id);
  });
  AddOther(verifier, "/");
  Add(verifier, CodedFile("/1", {1}));
  Add(verifier, CodedFile("/2", {2, 3, 4}));
  while (verifier.status().ok()) std::this_thread::yield();
  failed.count_down();
  AddOther(verifier, "/link");
  Add(verifier, CodedFile("/3", {5}));
  EXPECT_THAT(verifier.Finish(), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(told_, ElementsAre("/", "/1"));
}

TEST_F(FileVerifierTest, AFileWithManyGroupsEndsAtTheFirstThatFails) {
  std::atomic<int> looked = 0;
  FileVerifier verifier(1, [&](const std::string&, const BlockReport& group) {
    ++looked;
    return group.id == 2 ? absl::StatusOr<GroupFinding>(absl::UnavailableError("gone"))
                         : FindingOf(group.id);
  });
  Add(verifier, CodedFile("/1", {1, 2, 3, 4, 5, 6, 7, 8}));
  Add(verifier, CodedFile("/2", {9}));
  EXPECT_THAT(verifier.Finish(), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(told_, ::testing::IsEmpty());
  EXPECT_EQ(looked, 2);
}

}  // namespace
}  // namespace cairn::tools
