#include "namenode/namespace/erasure_policies.h"

#include <gtest/gtest.h>

#include "common/testing/status_matchers.h"

namespace cairn::namenode {
namespace {

erasure::Policy UserPolicy(uint8_t id) {
  const erasure::Schema schema = {
      .codec = erasure::Codec::kReedSolomon, .data_units = 4, .parity_units = 2};
  return {.id = id,
          .name = erasure::ComposeName(schema, 64 << 10),
          .schema = schema,
          .cell_bytes = 64 << 10};
}

TEST(ErasurePoliciesTest, BeginWithThoseOfEveryCluster) {
  const ErasurePolicies policies;
  const auto all = policies.All();
  ASSERT_EQ(all.size(), 5u);
  for (size_t i = 0; i < all.size(); ++i) {
    EXPECT_EQ(all[i].policy->id, i + 1);
    EXPECT_EQ(policies.Find(all[i].policy->id), all[i].policy);
  }
  EXPECT_EQ(policies.EnabledNames(), "RS-6-3-1024k");
  EXPECT_EQ(policies.Find(0), nullptr);
  EXPECT_EQ(policies.Find(6), nullptr);
  EXPECT_EQ(policies.Find(1000), nullptr);
}

TEST(ErasurePoliciesTest, AnotherStateLeavesThePolicyWhereItIs) {
  ErasurePolicies policies;
  const erasure::Policy* const before = policies.Find(2);
  ASSERT_OK(policies.Put(*before, ErasurePolicyState::kEnabled));
  EXPECT_EQ(policies.Find(2), before);
  EXPECT_EQ(policies.EnabledNames(), "RS-6-3-1024k, RS-3-2-1024k");
  ASSERT_OK(policies.Put(UserPolicy(64), ErasurePolicyState::kRemoved));
  EXPECT_EQ(policies.FindByName("RS-4-2-64k")->state, ErasurePolicyState::kRemoved);
  EXPECT_NE(policies.Find(64), nullptr);  // files may still be of it
}

TEST(ErasurePoliciesTest, AnIdIsNeverGivenAnotherMeaning) {
  ErasurePolicies policies;
  erasure::Policy other = UserPolicy(64);
  ASSERT_OK(policies.Put(other, ErasurePolicyState::kDisabled));
  other.schema.parity_units = 3;
  EXPECT_THAT(policies.Put(other, ErasurePolicyState::kEnabled),
              StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_EQ(policies.Find(64)->schema.parity_units, 2u);
  EXPECT_EQ(policies.FindByName("RS-4-2-64k")->state, ErasurePolicyState::kDisabled);
}

TEST(ErasurePoliciesTest, ADamagedEditOrRecordIsRefused) {
  edit::PutErasurePolicy whole;
  EncodePolicy(UserPolicy(64), ErasurePolicyState::kEnabled, &whole);
  ASSERT_OK(DecodePolicy(whole));
  EXPECT_EQ(DecodePolicy(RecordOf(whole))->name, "RS-4-2-64k");
  const auto refused = [&](auto change) {
    edit::PutErasurePolicy bad = whole;
    change(bad);
    EXPECT_THAT(DecodePolicy(bad).status(), StatusIs(absl::StatusCode::kDataLoss))
        << bad.ShortDebugString();
  };
  refused([](auto& bad) { bad.set_id(0); });
  refused([](auto& bad) { bad.set_id(128); });
  refused([](auto& bad) { bad.set_id(64 + 256); });
  refused([](auto& bad) { bad.set_name(""); });
  refused([](auto& bad) { bad.set_codec("reed"); });
  refused([](auto& bad) { bad.set_data_units(0); });
  refused([](auto& bad) { bad.set_parity_units(13); });
  refused([](auto& bad) { bad.set_cell_bytes(1000); });
  EXPECT_THAT(DecodePolicyState(0).status(), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(DecodePolicyState(4).status(), StatusIs(absl::StatusCode::kDataLoss));
}

}  // namespace
}  // namespace cairn::namenode
