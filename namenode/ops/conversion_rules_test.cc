// Conversion rules: who may set them, what becomes of them, and that none is forgotten.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "namenode/core/testing/test_namenode.h"
#include "namenode/store/keys.h"

namespace cairn::namenode {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr absl::string_view kSixAndThree = "RS-6-3-1024k", kThreeAndTwo = "RS-3-2-1024k";

TestNamenode::Options RulesFor(bool on = true) {
  TestNamenode::Options options;
  options.namenode.erasure_coding = on;
  return options;
}

class ConversionRulesTest : public ::testing::Test {
 protected:
  absl::Status Set(absl::string_view path, absl::string_view policy, uint64_t older_than_ms = 1000,
                   const Caller& caller = kSuper) {
    return nn_
        ->SetConversionRule(caller, path,
                            {.policy = policy,
                             .older_than_ms = older_than_ms,
                             .unread_for_ms = 20,
                             .larger_than_bytes = 300})
        .value.status();
  }
  // "path policy older" for each, by directory's id.
  std::vector<std::string> Rules() {
    std::vector<std::string> all;
    InodeId after = kNoInode;
    for (bool more = true; more;) {
      const auto page = nn_->ListConversionRules(kSuper, after, 2);
      EXPECT_OK(page.value);
      if (!page.value.ok()) return all;
      for (const PlacedConversionRule& placed : page.value->rules) {
        all.push_back(
            absl::StrCat(placed.path, " ",
                         placed.rule.policy == nullptr ? "replicated" : placed.rule.policy->name,
                         " ", placed.rule.older_than_ms));
      }
      more = page.value->more;
      after = page.value->last;
    }
    return all;
  }
  PlacedConversionRule OnlyRule() {
    const auto page = nn_->ListConversionRules(kSuper, kNoInode, 100);
    EXPECT_OK(page.value);
    if (!page.value.ok() || page.value->rules.size() != 1) {
      ADD_FAILURE() << "expected one rule";
      return {};
    }
    return page.value->rules[0];
  }
  void Reclaim() {
    for (int i = 0; i < 100 && nn_->HasBackgroundWork(); ++i) nn_->RunMaintenance();
    EXPECT_FALSE(nn_->HasBackgroundWork());
  }

  TestNamenode nn_{RulesFor()};
};

TEST_F(ConversionRulesTest, ARuleIsKeptAsItWasSetWhateverRestarts) {
  nn_.Mkdir("/cold/deep");
  ASSERT_OK(Set("/cold", kSixAndThree, 2'592'000'000));
  ASSERT_OK(Set("/cold/deep", "", 5));
  const std::vector<std::string> both = {"/cold RS-6-3-1024k 2592000000",
                                         "/cold/deep replicated 5"};
  EXPECT_EQ(Rules(), both);
  nn_.Restart();
  EXPECT_EQ(Rules(), both) << "from the journal";
  nn_.Flush();
  nn_.Restart();
  EXPECT_EQ(Rules(), both) << "from the store";
  nn_.ExpectConsistent();
  EXPECT_THAT(nn_->RemoveConversionRule(kSuper, "/cold/deep").value, IsOkAndHolds(true));
  EXPECT_THAT(nn_->RemoveConversionRule(kSuper, "/cold/deep").value, IsOkAndHolds(false));
  const PlacedConversionRule left = OnlyRule();
  EXPECT_EQ(left.path, "/cold");
  EXPECT_EQ(left.rule.unread_for_ms, 20u);
  EXPECT_EQ(left.rule.larger_than_bytes, 300u);
  EXPECT_EQ(left.policy_state, ErasurePolicyState::kEnabled);
  EXPECT_GT(left.set_ms, 0u);
  nn_.Flush();
  nn_.Restart();
  EXPECT_THAT(Rules(), ElementsAre("/cold RS-6-3-1024k 2592000000"));
}

TEST_F(ConversionRulesTest, ASecondOneTakesThePlaceOfTheFirst) {
  nn_.Mkdir("/d");
  ASSERT_OK(Set("/d", kSixAndThree, 1));
  ASSERT_OK(Set("/d", kSixAndThree, 2));
  EXPECT_THAT(Rules(), ElementsAre("/d RS-6-3-1024k 2"));
}

TEST_F(ConversionRulesTest, ARenamedDirectoryKeepsItsRuleAndADeletedOneLosesIt) {
  nn_.Mkdir("/a/b");
  nn_.Mkdir("/a/empty");
  nn_.WriteFile("/a/b/f");
  ASSERT_OK(Set("/a", kSixAndThree));
  ASSERT_OK(Set("/a/b", kSixAndThree));
  ASSERT_OK(Set("/a/empty", kSixAndThree));
  EXPECT_THAT(nn_->Rename(kSuper, "/a", "/moved").value, IsOkAndHolds(true));
  EXPECT_THAT(Rules(), ElementsAre("/moved RS-6-3-1024k 1000", "/moved/b RS-6-3-1024k 1000",
                                   "/moved/empty RS-6-3-1024k 1000"));
  EXPECT_THAT(nn_->Delete(kSuper, "/moved/empty", false).value, IsOkAndHolds(true));
  EXPECT_THAT(Rules(), SizeIs(2));
  EXPECT_THAT(nn_->Delete(kSuper, "/moved", true).value, IsOkAndHolds(true));
  // That of /moved/b is still there: its directory is, until it is reclaimed.
  EXPECT_THAT(Rules(), IsEmpty());
  nn_.ExpectConsistent();
  nn_.Restart();
  EXPECT_THAT(Rules(), IsEmpty());
  Reclaim();
  nn_.ExpectConsistent();
  for (const auto& [key, value] : nn_.Records()) {
    EXPECT_NE(key[0], keys::kConversionRule) << keys::Readable(key);
  }
}

TEST_F(ConversionRulesTest, ADirectoryThatARenameReplacesLosesItsRule) {
  nn_.Mkdir("/new");
  nn_.Mkdir("/old");
  ASSERT_OK(Set("/old", kSixAndThree));
  ASSERT_OK(nn_->Rename2(kSuper, "/new", "/old", /*overwrite=*/true, /*to_trash=*/false).value);
  EXPECT_THAT(Rules(), IsEmpty());
  nn_.ExpectConsistent();
}

TEST_F(ConversionRulesTest, SuperusersAlone) {
  nn_.Mkdir("/home", kSuper, 0777);
  nn_.Mkdir("/home/alice", kAlice);
  EXPECT_THAT(Set("/home/alice", kSixAndThree, 1, kAlice), IsFsError(FsError::kAccessControl));
  ASSERT_OK(Set("/home/alice", kSixAndThree));
  EXPECT_THAT(nn_->RemoveConversionRule(kAlice, "/home/alice").value,
              IsFsError(FsError::kAccessControl));
  EXPECT_THAT(nn_->ListConversionRules(kAlice, kNoInode, 10).value,
              IsFsError(FsError::kAccessControl));
  EXPECT_THAT(Rules(), SizeIs(1));
}

TEST_F(ConversionRulesTest, WhatCannotBeARuleIsRefused) {
  nn_.Mkdir("/d");
  nn_.WriteFile("/f");
  EXPECT_THAT(Set("/missing", kSixAndThree), IsFsError(FsError::kFileNotFound));
  EXPECT_THAT(nn_->RemoveConversionRule(kSuper, "/missing").value,
              IsFsError(FsError::kFileNotFound));
  EXPECT_THAT(Set("/f", kSixAndThree), IsFsError(FsError::kIo));
  const absl::Status disabled = Set("/d", kThreeAndTwo);
  EXPECT_THAT(disabled, IsFsError(FsError::kIllegalArgument));
  EXPECT_THAT(std::string(disabled.message()), HasSubstr("does not match any enabled"));
  EXPECT_THAT(Set("/d", kSixAndThree, ~uint64_t{0}), IsFsError(FsError::kIllegalArgument));
  EXPECT_THAT(Rules(), IsEmpty());
}

TEST_F(ConversionRulesTest, APolicyThatIsDisabledLaterIsTold) {
  nn_.Mkdir("/d");
  ASSERT_OK(Set("/d", kSixAndThree));
  ASSERT_OK(nn_->ChangeErasurePolicy(kSuper, kSixAndThree, ErasurePolicyState::kDisabled).value);
  EXPECT_EQ(OnlyRule().policy_state, ErasurePolicyState::kDisabled);
  ASSERT_OK(Set("/d", ""));
  EXPECT_EQ(OnlyRule().policy_state, std::nullopt);
}

TEST_F(ConversionRulesTest, ThereIsALargestNumberOfThem) {
  for (size_t i = 0; i <= kMaxConversionRules; ++i) nn_.Mkdir(absl::StrCat("/d", i));
  for (size_t i = 0; i < kMaxConversionRules; ++i)
    ASSERT_OK(Set(absl::StrCat("/d", i), kSixAndThree));
  const std::string beyond = absl::StrCat("/d", kMaxConversionRules);
  EXPECT_THAT(Set(beyond, kSixAndThree), IsFsError(FsError::kIllegalArgument));
  ASSERT_OK(Set("/d0", kSixAndThree, 7)) << "it takes the place of one";
  EXPECT_THAT(nn_->RemoveConversionRule(kSuper, "/d0").value, IsOkAndHolds(true));
  ASSERT_OK(Set(beyond, kSixAndThree));
  nn_.Flush();
  nn_.Restart();
  EXPECT_THAT(Rules(), SizeIs(kMaxConversionRules));
}

TEST_F(ConversionRulesTest, AResentRemovalIsAnsweredAsTheFirst) {
  constexpr uint8_t kClientId[16] = {7};
  Caller caller = kSuper;
  caller.client_id = kClientId;
  caller.call_id = 3;
  nn_.Mkdir("/d");
  ASSERT_OK(Set("/d", kSixAndThree));
  EXPECT_THAT(nn_->RemoveConversionRule(caller, "/d").value, IsOkAndHolds(true));
  EXPECT_THAT(nn_->RemoveConversionRule(caller, "/d").value, IsOkAndHolds(true));
}

TEST_F(ConversionRulesTest, ARunIsItsHoldersAsLongAsHeSaysSo) {
  ConversionRun told;
  told.holder = "a";
  told.files_converted = 3;
  EXPECT_EQ(nn_->RenewConversionRun(1, told, false), "");
  EXPECT_EQ(nn_->RenewConversionRun(2, {}, false), "a");
  nn_.clock().Advance(absl::Seconds(7));
  EXPECT_EQ(nn_->ShowConversionRun().files_converted, 3u);
  EXPECT_EQ(nn_->ShowConversionRun().heard_ago, absl::Seconds(7));
  nn_.Restart();
  EXPECT_TRUE(nn_->ShowConversionRun().ended);
  EXPECT_EQ(nn_->RenewConversionRun(2, {}, false), "") << "a restart forgets it";
}

TEST(ConversionRulesOffTest, WhereNothingIsErasureCodedARuleMayOnlyGoBack) {
  TestNamenode nn(RulesFor(false));
  nn.Mkdir("/d");
  EXPECT_THAT(nn->SetConversionRule(kSuper, "/d", {.policy = kSixAndThree}).value,
              IsFsError(FsError::kUnsupported));
  EXPECT_OK(nn->SetConversionRule(kSuper, "/d", {}).value);
}

}  // namespace
}  // namespace cairn::namenode
