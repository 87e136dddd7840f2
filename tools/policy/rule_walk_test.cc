#include "tools/policy/rule_walk.h"

#include "common/testing/status_matchers.h"
#include "tools/policy/testing/fake_tree.h"

namespace cairn::tools {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class RuleWalkTest : public ::testing::Test {
 protected:
  absl::Status Walk(const std::string& from) {
    return WalkRule(tree_.Opener(), from,
                    {.on_file =
                         [this](const client::FileStatus& file) {
                           files_.push_back(file.path);
                           return files_.size() < most_files_;
                         },
                     .has_own_rule =
                         [this](const client::FileStatus& directory) {
                           return own_rules_.contains(directory.inode);
                         },
                     .on_unreadable = [this](const std::string& path,
                                             const absl::Status&) { unreadable_.push_back(path); },
                     .on_page =
                         [this] {
                           ++pages_;
                           return pages_ <= most_pages_;
                         }});
  }

  FakeTree tree_;
  absl::flat_hash_set<uint64_t> own_rules_;
  std::vector<std::string> files_, unreadable_;
  size_t most_files_ = 1000, pages_ = 0, most_pages_ = 1000;
};

TEST_F(RuleWalkTest, EveryFileBelowIsMetOnce) {
  for (const char* const path : {"/r/a", "/r/d/b", "/r/d/e/c", "/r/z", "/other/f"}) {
    tree_.AddFile(path);
  }
  ASSERT_OK(Walk("/r"));
  EXPECT_THAT(files_, ElementsAre("/r/a", "/r/d/b", "/r/d/e/c", "/r/z"));
  EXPECT_THAT(unreadable_, IsEmpty());
}

TEST_F(RuleWalkTest, WhatHasARuleOfItsOwnIsNotEntered) {
  tree_.AddFile("/r/a/f");
  tree_.AddFile("/r/b/f");
  own_rules_ = {tree_.inode("/r"), tree_.inode("/r/a")};
  ASSERT_OK(Walk("/r"));
  EXPECT_THAT(files_, ElementsAre("/r/b/f"));
}

TEST_F(RuleWalkTest, EachPageOfAListingIsAskedFor) {
  for (int i = 0; i < 5; ++i) tree_.AddFile(absl::StrCat("/r/", i));
  tree_.page_entries = 2;
  ASSERT_OK(Walk("/r"));
  EXPECT_EQ(files_.size(), 5u);
  EXPECT_EQ(pages_, 3u);
}

TEST_F(RuleWalkTest, ItEndsWhenItIsToldTo) {
  for (int i = 0; i < 5; ++i) tree_.AddFile(absl::StrCat("/r/", i));
  tree_.page_entries = 2;
  most_files_ = 1;
  ASSERT_OK(Walk("/r"));
  EXPECT_THAT(files_, ElementsAre("/r/0"));
  files_.clear();
  most_files_ = 1000;
  pages_ = 0;
  most_pages_ = 1;
  ASSERT_OK(Walk("/r"));
  EXPECT_THAT(files_, ElementsAre("/r/0", "/r/1"));
}

TEST_F(RuleWalkTest, WhatCannotBeListedIsToldAndWhatIsGoneIsNot) {
  for (const char* const path : {"/r/closed/f", "/r/gone/f", "/r/there/f"}) tree_.AddFile(path);
  tree_.errors["/r/closed"] = absl::PermissionDeniedError("no");
  tree_.errors["/r/gone"] = absl::NotFoundError("gone");
  ASSERT_OK(Walk("/r"));
  EXPECT_THAT(files_, ElementsAre("/r/there/f"));
  EXPECT_THAT(unreadable_, ElementsAre("/r/closed"));
  EXPECT_THAT(Walk("/missing"), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(RuleWalkTest, AServerThatDoesNotAnswerEndsIt) {
  for (const char* const path : {"/r/a/f", "/r/b/f", "/r/c/f"}) tree_.AddFile(path);
  tree_.errors["/r/b"] = absl::UnavailableError("gone");
  EXPECT_THAT(Walk("/r"), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(files_, ElementsAre("/r/a/f"));
  EXPECT_THAT(unreadable_, IsEmpty());
}

}  // namespace
}  // namespace cairn::tools
