#include "client/striping.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "common/testing/status_matchers.h"

namespace cairn::client {
namespace {

using ::testing::HasSubstr;

constexpr uint32_t kCell = 1024;
constexpr uint64_t kGroup = uint64_t{0} - 1024;  // ids of groups are negative

erasure::Policy Rs32() {
  const erasure::Schema schema = {
      .codec = erasure::Codec::kReedSolomon, .data_units = 3, .parity_units = 2};
  return {
      .id = 64, .name = erasure::ComposeName(schema, kCell), .schema = schema, .cell_bytes = kCell};
}

// A group of 4.5 cells, with the units of `indices` on a datanode each.
hdfs::LocatedBlockProto Group(const std::string& indices) {
  hdfs::LocatedBlockProto group;
  group.mutable_b()->set_poolid("BP-1");
  group.mutable_b()->set_blockid(kGroup);
  group.mutable_b()->set_generationstamp(7);
  group.mutable_b()->set_numbytes(4 * kCell + kCell / 2);
  group.set_offset(5000);
  group.mutable_blocktoken()->set_identifier("of the group");
  group.set_blockindices(indices);
  for (size_t i = 0; i < indices.size(); ++i) {
    group.add_locs()->mutable_id()->set_datanodeuuid(absl::StrCat("uuid-", i));
    group.add_storageids(absl::StrCat("DS-", i));
    group.add_storagetypes(hdfs::STORAGE_TYPE_SSD);
    group.add_blocktokens()->set_identifier(absl::StrCat("token-", i));
  }
  return group;
}

hdfs::LocatedBlocksProto File(const hdfs::LocatedBlockProto& group, bool as_last) {
  hdfs::LocatedBlocksProto found;
  *(as_last ? found.mutable_lastblock() : found.add_blocks()) = group;
  return found;
}

TEST(StripingTest, AUnitIsLocatedLikeABlock) {
  const auto group = Group(std::string("\x04\x00\x01", 3));
  ASSERT_OK_AND_ASSIGN(const auto striping, Striping::Create(Rs32()));
  const hdfs::LocatedBlockProto unit = LocateUnit(group, striping->layout(), 4);
  EXPECT_EQ(unit.b().poolid(), "BP-1");
  EXPECT_EQ(unit.b().blockid(), kGroup + 4);
  EXPECT_EQ(unit.b().generationstamp(), 7);
  EXPECT_EQ(unit.b().numbytes(), 2 * kCell);
  EXPECT_EQ(unit.offset(), 5000);
  EXPECT_EQ(unit.blocktoken().identifier(), "token-0");
  ASSERT_EQ(unit.locs_size(), 1);
  EXPECT_EQ(unit.locs(0).id().datanodeuuid(), "uuid-0");
  EXPECT_EQ(unit.storageids(0), "DS-0");
  EXPECT_EQ(unit.storagetypes(0), hdfs::STORAGE_TYPE_SSD);
  EXPECT_EQ(LocateUnit(group, striping->layout(), 1).b().numbytes(), kCell + kCell / 2);
  EXPECT_EQ(LocateUnit(group, striping->layout(), 2).locs_size(), 0) << "it is lost";
}

TEST(StripingTest, AUnitMayHaveSeveralReplicasAndTheGroupOneToken) {
  auto group = Group(std::string("\x01\x02\x01", 3));
  group.clear_blocktokens();
  ASSERT_OK_AND_ASSIGN(const auto striping, Striping::Create(Rs32()));
  const hdfs::LocatedBlockProto unit = LocateUnit(group, striping->layout(), 1);
  ASSERT_EQ(unit.locs_size(), 2);
  EXPECT_EQ(unit.locs(1).id().datanodeuuid(), "uuid-2");
  EXPECT_EQ(unit.storageids(1), "DS-2");
  EXPECT_EQ(unit.blocktoken().identifier(), "of the group");
}

TEST(StripingTest, GroupsThatMakeNoSenseAreRefused) {
  const auto good = Group(std::string("\x00\x04", 2));
  auto odd_id = good;
  odd_id.mutable_b()->set_blockid(kGroup + 1);
  auto no_indices = good;
  no_indices.clear_blockindices();
  auto a_token_short = good;
  a_token_short.mutable_blocktokens()->RemoveLast();
  const auto beyond = Group("\x05");
  const auto negative = Group("\xff");
  for (const bool as_last : {false, true}) {
    EXPECT_OK(CheckGroups(File(good, as_last), Rs32(), "/f"));
    for (const auto& bad : {odd_id, no_indices, a_token_short, beyond, negative}) {
      EXPECT_THAT(CheckGroups(File(bad, as_last), Rs32(), "/f"),
                  StatusIs(absl::StatusCode::kInternal, HasSubstr("/f")));
    }
  }
  EXPECT_OK(CheckGroups(hdfs::LocatedBlocksProto(), Rs32(), "/f"));
}

TEST(StripingTest, FilesAreLaidOutAlikeUnderPoliciesOfOneSchemaAndCell) {
  ASSERT_OK_AND_ASSIGN(const auto striping, Striping::Create(Rs32()));
  erasure::Policy policy = Rs32();
  policy.name = "another name";
  EXPECT_TRUE(striping->IsLaidOutAs(policy));
  policy.cell_bytes = 2 * kCell;
  EXPECT_FALSE(striping->IsLaidOutAs(policy));
  policy = Rs32();
  policy.schema.parity_units = 1;
  EXPECT_FALSE(striping->IsLaidOutAs(policy));
}

}  // namespace
}  // namespace cairn::client
