// Erasure coding policies: which there are, where they are set, and what files get.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "namenode/core/testing/test_namenode.h"

namespace cairn::namenode {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr absl::string_view kRs63 = "RS-6-3-1024k", kRs32 = "RS-3-2-1024k";

TestNamenode::Options Enabled() {
  TestNamenode::Options options;
  options.namenode.erasure_coding = true;
  return options;
}

class ErasurePoliciesOpsTest : public ::testing::Test {
 protected:
  std::string PolicyOf(absl::string_view path) {
    const auto outcome = nn_->GetErasurePolicy(kSuper, path);
    EXPECT_OK(outcome.value);
    if (!outcome.value.ok()) return "";
    return *outcome.value == nullptr ? "replicated" : (*outcome.value)->name;
  }
  std::string ShownPolicyOf(absl::string_view path) {
    const auto status = nn_.Stat(path);
    return status->erasure == nullptr ? "replicated" : status->erasure->name;
  }
  absl::Status Set(absl::string_view path, absl::string_view policy) {
    return nn_->SetErasurePolicy(kSuper, path, policy).value.status();
  }
  std::string StateOf(absl::string_view name) {
    const auto all = nn_->GetErasurePolicies(kSuper);
    for (const ErasurePolicyInfo& info : *all.value) {
      if (info.policy->name == name) return absl::StrCat(static_cast<int>(info.state));
    }
    return "absent";
  }

  TestNamenode nn_{Enabled()};
};

// Also those that the store or the journal has from before: they may be the cluster's default.
TEST_F(ErasurePoliciesOpsTest, ItIsKnownWhichThereAreWhenItStarts) {
  const erasure::Schema schema = {
      .codec = erasure::Codec::kReedSolomon, .data_units = 4, .parity_units = 2};
  const erasure::Policy made = {
      .name = erasure::ComposeName(schema, 1 << 20), .schema = schema, .cell_bytes = 1 << 20};
  const std::string& name = made.name;
  EXPECT_FALSE(nn_->KnowsErasurePolicy(name));
  const auto added = nn_->AddErasurePolicies(kSuper, {made});
  ASSERT_OK(added.value);
  ASSERT_OK((*added.value)[0]);
  for (const bool flushed : {false, true}) {
    if (flushed) nn_.Flush();
    nn_.Restart();
    EXPECT_TRUE(nn_->KnowsErasurePolicy(name)) << flushed;
    EXPECT_TRUE(nn_->KnowsErasurePolicy(kRs32)) << "a disabled one";
    EXPECT_FALSE(nn_->KnowsErasurePolicy("RS-6-3"));
    EXPECT_FALSE(nn_->KnowsErasurePolicy(""));
  }
}

TEST_F(ErasurePoliciesOpsTest, APolicyHoldsForAllBelowUntilAnotherIsSet) {
  ASSERT_OK(nn_->ChangeErasurePolicy(kSuper, kRs32, ErasurePolicyState::kEnabled).value);
  nn_.Mkdir("/cold/deep/er");
  nn_.Mkdir("/warm");
  ASSERT_OK(Set("/cold", ""));  // the cluster's default
  EXPECT_EQ(PolicyOf("/cold"), kRs63);
  EXPECT_EQ(PolicyOf("/cold/deep/er"), kRs63);
  EXPECT_EQ(ShownPolicyOf("/cold/deep/er"), kRs63);
  EXPECT_EQ(PolicyOf("/warm"), "replicated");
  ASSERT_OK(Set("/cold/deep", kRs32));
  EXPECT_EQ(PolicyOf("/cold/deep/er"), kRs32);
  ASSERT_OK(Set("/cold/deep/er", "REPLICATION"));
  EXPECT_EQ(PolicyOf("/cold/deep/er"), "replicated");
  EXPECT_EQ(ShownPolicyOf("/cold/deep/er"), "replicated");
  nn_.Flush();
  nn_.Restart();
  EXPECT_EQ(PolicyOf("/cold"), kRs63);
  EXPECT_EQ(PolicyOf("/cold/deep"), kRs32);
  EXPECT_EQ(PolicyOf("/cold/deep/er"), "replicated");
  ASSERT_OK(nn_->UnsetErasurePolicy(kSuper, "/cold/deep/er").value);
  EXPECT_EQ(PolicyOf("/cold/deep/er"), kRs32);
  nn_.ExpectConsistent();
}

TEST_F(ErasurePoliciesOpsTest, ListingsShowWhatDirectoriesGetFromAbove) {
  nn_.Mkdir("/cold/a");
  nn_.Mkdir("/cold/b");
  const auto shown = [&](absl::string_view name) -> std::string {
    const auto listing = nn_->GetListing(kSuper, "/cold", "", false);
    for (const ListingEntry& entry : (*listing.value)->entries) {
      if (entry.name != name) continue;
      return entry.status.erasure == nullptr ? "replicated" : entry.status.erasure->name;
    }
    return "absent";
  };
  EXPECT_EQ(shown("a"), "replicated");
  ASSERT_OK(Set("/", kRs63));  // no version of /cold tells of it
  ASSERT_OK(Set("/cold/b", "replication"));
  EXPECT_EQ(shown("a"), kRs63);
  EXPECT_EQ(shown("b"), "replicated");
}

TEST_F(ErasurePoliciesOpsTest, AnEncodedListingIsNotKeptWhenAPolicyIsSetAbove) {
  nn_.Mkdir("/cold/a");
  const auto encode = [](const Listing& listing) {
    std::string text;
    for (const ListingEntry& entry : listing.entries) {
      absl::StrAppend(&text, entry.name, "=",
                      entry.status.erasure == nullptr ? "" : entry.status.erasure->name);
    }
    return text;
  };
  const auto listed = [&] { return **nn_->GetEncodedListing(kSuper, "/cold", "", +encode).value; };
  EXPECT_EQ(listed(), "a=");
  EXPECT_EQ(listed(), "a=");
  ASSERT_OK(Set("/", kRs63));
  EXPECT_EQ(listed(), "a=RS-6-3-1024k");
}

TEST_F(ErasurePoliciesOpsTest, WhatCannotBeSetIsSaidInHdfssWords) {
  nn_.Mkdir("/d");
  nn_.WriteFile("/f");
  EXPECT_THAT(Set("/missing", kRs63), IsFsError(FsError::kFileNotFound));
  EXPECT_THAT(nn_->GetErasurePolicy(kSuper, "/missing").value, IsFsError(FsError::kFileNotFound));
  const absl::Status of_file = Set("/f", kRs63);
  EXPECT_THAT(of_file, IsFsError(FsError::kIo));
  EXPECT_THAT(std::string(of_file.message()),
              HasSubstr("Attempt to set an erasure coding policy for a file /f"));
  const absl::Status disabled = Set("/d", kRs32);
  EXPECT_THAT(disabled, IsFsError(FsError::kIllegalArgument));
  EXPECT_THAT(std::string(disabled.message()),
              HasSubstr("does not match any enabled erasure coding policies: [RS-6-3-1024k]"));
  EXPECT_THAT(nn_->UnsetErasurePolicy(kSuper, "/d").value, IsFsError(FsError::kNoErasurePolicySet));
  EXPECT_THAT(nn_->UnsetErasurePolicy(kSuper, "/f").value, IsFsError(FsError::kIo));
  EXPECT_THAT(nn_->SetErasurePolicy(kCarol, "/d", kRs63).value, IsFsError(FsError::kAccessControl));
  EXPECT_EQ(PolicyOf("/d"), "replicated");
}

TEST_F(ErasurePoliciesOpsTest, StatesSurviveARestart) {
  EXPECT_THAT(nn_->ChangeErasurePolicy(kSuper, kRs32, ErasurePolicyState::kEnabled).value,
              IsOkAndHolds(true));
  EXPECT_THAT(nn_->ChangeErasurePolicy(kSuper, kRs32, ErasurePolicyState::kEnabled).value,
              IsOkAndHolds(false));
  EXPECT_THAT(nn_->ChangeErasurePolicy(kSuper, kRs63, ErasurePolicyState::kDisabled).value,
              IsOkAndHolds(true));
  nn_.Restart();  // from the journal
  EXPECT_EQ(StateOf(kRs32), "2");
  EXPECT_EQ(StateOf(kRs63), "1");
  nn_.Flush();
  nn_.Restart();  // from the store
  EXPECT_EQ(StateOf(kRs32), "2");
  EXPECT_EQ(StateOf(kRs63), "1");
  EXPECT_THAT(nn_->ChangeErasurePolicy(kSuper, "RS-1-1-1024k", ErasurePolicyState::kEnabled).value,
              IsFsError(FsError::kIllegalArgument));
  EXPECT_THAT(nn_->ChangeErasurePolicy(kSuper, kRs32, ErasurePolicyState::kRemoved).value,
              IsFsError(FsError::kIllegalArgument));
  EXPECT_THAT(nn_->ChangeErasurePolicy(kAlice, kRs32, ErasurePolicyState::kDisabled).value,
              IsFsError(FsError::kAccessControl));
}

TEST_F(ErasurePoliciesOpsTest, APolicyOfTheClustersOwn) {
  erasure::Policy wanted;
  wanted.schema = {.codec = erasure::Codec::kReedSolomon, .data_units = 2, .parity_units = 1};
  wanted.cell_bytes = 64 << 10;
  erasure::Policy bad = wanted;
  bad.schema.data_units = 16;
  const erasure::Policy same = *erasure::FindSystemPolicy(kRs63);
  const auto added = nn_->AddErasurePolicies(kSuper, {wanted, bad, same});
  ASSERT_OK(added.value);
  ASSERT_EQ(added.value->size(), 3u);
  ASSERT_OK((*added.value)[0]);
  EXPECT_EQ((*added.value)[0]->policy->name, "RS-2-1-64k");
  EXPECT_EQ((*added.value)[0]->policy->id, 64);
  EXPECT_EQ((*added.value)[0]->state, ErasurePolicyState::kDisabled);
  EXPECT_THAT((*added.value)[1], IsFsError(FsError::kIllegalArgument));
  EXPECT_EQ((*added.value)[2]->policy->id, 1);
  const auto again = nn_->AddErasurePolicies(kSuper, {wanted});
  EXPECT_EQ((*again.value)[0]->policy->id, 64);
  EXPECT_THAT(nn_->AddErasurePolicies(kAlice, {wanted}).value, IsFsError(FsError::kAccessControl));
  nn_.Flush();
  nn_.Restart();
  EXPECT_EQ(StateOf("RS-2-1-64k"), "1");
  EXPECT_THAT(nn_->ChangeErasurePolicy(kSuper, "RS-2-1-64k", ErasurePolicyState::kRemoved).value,
              IsOkAndHolds(true));
  EXPECT_EQ(StateOf("RS-2-1-64k"), "3");
}

TEST_F(ErasurePoliciesOpsTest, FilesGetThePolicyOfTheirDirectoryOrTheirOwn) {
  ASSERT_OK(nn_->ChangeErasurePolicy(kSuper, kRs32, ErasurePolicyState::kEnabled).value);
  nn_.Mkdir("/cold");
  ASSERT_OK(Set("/cold", kRs63));
  const FileStatus inherited = nn_.Create("/cold/a");
  EXPECT_EQ(inherited.erasure->name, kRs63);
  EXPECT_EQ(inherited.replication, 1u);
  CreateOptions own = CreateFlags(true, false);
  own.erasure_policy = kRs32;
  EXPECT_EQ(nn_->Create(kSuper, "/cold/b", own).value->erasure->name, kRs32);
  CreateOptions replicated = CreateFlags(true, false);
  replicated.should_replicate = true;
  EXPECT_EQ(nn_->Create(kSuper, "/cold/c", replicated).value->erasure, nullptr);
  CreateOptions unknown = CreateFlags(true, false);
  unknown.erasure_policy = "RS-9-9-1024k";
  EXPECT_THAT(nn_->Create(kSuper, "/cold/d", unknown).value, IsFsError(FsError::kIllegalArgument));
  CreateOptions small = CreateFlags(true, false);
  small.block_bytes = 512 << 10;
  EXPECT_FALSE(nn_->Create(kSuper, "/cold/e", small).value.ok());
  // What a file has, it keeps.
  ASSERT_OK(Set("/cold", "replication"));
  EXPECT_EQ(ShownPolicyOf("/cold/a"), kRs63);
  EXPECT_THAT(nn_->SetReplication(kSuper, "/cold/a", 3).value, IsOkAndHolds(false));
  nn_.ExpectConsistent();
}

// As a client finds out before it takes the bytes of one.
TEST_F(ErasurePoliciesOpsTest, WhetherFilesOfAPolicyAreMadeCanBeAsked) {
  EXPECT_OK(nn_->CheckErasurePolicy(kAlice, kRs63).value);
  EXPECT_THAT(nn_->CheckErasurePolicy(kAlice, kRs32).value, IsFsError(FsError::kIllegalArgument));
  EXPECT_THAT(nn_->CheckErasurePolicy(kAlice, "RS-9-9-1024k").value,
              IsFsError(FsError::kIllegalArgument));
  EXPECT_THAT(nn_->CheckErasurePolicy(kAlice, "").value, IsFsError(FsError::kIllegalArgument));
  ASSERT_OK(nn_->ChangeErasurePolicy(kSuper, kRs63, ErasurePolicyState::kDisabled).value);
  EXPECT_THAT(nn_->CheckErasurePolicy(kAlice, kRs63).value, IsFsError(FsError::kIllegalArgument));
  ASSERT_OK(nn_->ChangeErasurePolicy(kSuper, kRs63, ErasurePolicyState::kEnabled).value);
  EXPECT_OK(nn_->CheckErasurePolicy(kAlice, kRs63).value);
}

TEST(NoDefaultPolicyTest, APolicyHasToBeNamed) {
  TestNamenode::Options options;
  options.namenode.erasure_coding = true;
  options.namenode.default_erasure_policy = "";
  TestNamenode nn(options);
  nn.Mkdir("/d");
  EXPECT_THAT(nn->SetErasurePolicy(kSuper, "/d", "").value,
              AllOf(IsFsError(FsError::kIllegalArgument),
                    StatusIs(absl::StatusCode::kInvalidArgument,
                             HasSubstr("dfs.namenode.ec.system.default.policy"))));
  EXPECT_EQ(*nn->GetErasurePolicy(kSuper, "/d").value, nullptr);
}

TEST(ErasureCodingOffTest, NothingNewIsCoded) {
  TestNamenode nn;
  nn.Mkdir("/d");
  EXPECT_THAT(nn->SetErasurePolicy(kSuper, "/d", kRs63).value, IsFsError(FsError::kUnsupported));
  CreateOptions coded = CreateFlags(true, false);
  coded.erasure_policy = kRs63;
  EXPECT_THAT(nn->Create(kSuper, "/f", coded).value, IsFsError(FsError::kUnsupported));
  EXPECT_FALSE(nn.Exists("/f"));
  EXPECT_THAT(nn->CheckErasurePolicy(kSuper, kRs63).value, IsFsError(FsError::kUnsupported));
}

}  // namespace
}  // namespace cairn::namenode
