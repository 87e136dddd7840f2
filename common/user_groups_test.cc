#include "common/user_groups.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "common/testing/fake_clock.h"
#include "common/testing/status_matchers.h"

namespace cairn {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class UserGroupsTest : public testing::Test {
 protected:
  void Create(std::string overrides = "", size_t max_users = 100) {
    auto created = UserGroups::Create(
        {.static_overrides = std::move(overrides),
         .max_users = max_users,
         .look_up = [this](const std::string& user) -> absl::StatusOr<std::vector<std::string>> {
           ++look_ups_;
           if (!database_.ok()) return database_;
           return users_[user];
         }},
        clock_);
    ASSERT_OK(created);
    groups_ = *std::move(created);
  }

  FakeClock clock_;
  int look_ups_ = 0;
  absl::Status database_;
  std::map<std::string, std::vector<std::string>> users_ = {{"ann", {"staff", "admin"}}};
  std::unique_ptr<UserGroups> groups_;
};

TEST_F(UserGroupsTest, AnswerIsKeptForItsTimeToLive) {
  Create();
  EXPECT_THAT(*groups_->GroupsOf("ann"), ElementsAre("staff", "admin"));
  clock_.Advance(absl::Minutes(5) - absl::Nanoseconds(1));
  EXPECT_TRUE(groups_->IsMember("ann", "admin"));
  EXPECT_EQ(look_ups_, 1);
  users_["ann"] = {"staff"};
  clock_.Advance(absl::Nanoseconds(1));
  EXPECT_FALSE(groups_->IsMember("ann", "admin"));
}

TEST_F(UserGroupsTest, UnknownUserHasNoGroupsAndIsAskedForAgainSooner) {
  Create();
  EXPECT_THAT(*groups_->GroupsOf("bob"), IsEmpty());
  users_["bob"] = {"staff"};
  clock_.Advance(absl::Seconds(30));
  EXPECT_THAT(*groups_->GroupsOf("bob"), ElementsAre("staff"));
}

TEST_F(UserGroupsTest, LastKnownGroupsServeWhileTheDatabaseIsAway) {
  Create();
  groups_->GroupsOf("ann");
  database_ = absl::UnavailableError("ldap");
  clock_.Advance(absl::Hours(1));
  EXPECT_TRUE(groups_->IsMember("ann", "staff"));
  EXPECT_THAT(*groups_->GroupsOf("bob"), IsEmpty());
  database_ = absl::OkStatus();
  users_["ann"] = {"other"};
  EXPECT_TRUE(groups_->IsMember("ann", "other"));
}

TEST_F(UserGroupsTest, OverriddenUsersAreNeverLookedUp) {
  Create(" ann = x , y ;bob=;");
  EXPECT_THAT(*groups_->GroupsOf("ann"), ElementsAre("x", "y"));
  EXPECT_THAT(*groups_->GroupsOf("bob"), IsEmpty());
  EXPECT_EQ(look_ups_, 0);
}

TEST_F(UserGroupsTest, BadOverridesAreRefused) {
  for (const char* text : {"=g", "a=b=c", "a=b;a=c"}) {
    EXPECT_THAT(UserGroups::Create({.static_overrides = text}, clock_),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("static group mapping")))
        << text;
  }
}

TEST_F(UserGroupsTest, NamesTriedByTheThousandDoNotGrowTheCacheForEver) {
  Create("", 10);
  for (int i = 0; i < 1000; ++i) groups_->GroupsOf(std::to_string(i));
  EXPECT_EQ(look_ups_, 1000);
  groups_->GroupsOf("999");
  EXPECT_EQ(look_ups_, 1000);
  EXPECT_THAT(*groups_->GroupsOf(std::string(10'000, 'x')), IsEmpty());
  EXPECT_EQ(look_ups_, 1000);
}

TEST(LookUpGroupsTest, AsksTheSystemsUserDatabase) {
  EXPECT_THAT(LookUpGroups("root"), IsOkAndHolds(Contains("root")));
  EXPECT_THAT(LookUpGroups("no-such-user-here"), IsOkAndHolds(IsEmpty()));
  EXPECT_NE(ProcessUserName(), "");
}

}  // namespace
}  // namespace cairn
