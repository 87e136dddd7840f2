#include "namenode/lease/lease_manager.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/testing/fake_clock.h"
#include "common/testing/status_matchers.h"

namespace cairn::namenode {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Optional;

constexpr InodeId kFile{20001}, kOther{20002}, kThird{20003};

class LeaseManagerTest : public ::testing::Test {
 protected:
  FakeClock clock_;
  LeaseManager leases_{{}, clock_};
};

TEST_F(LeaseManagerTest, OneWriterPerFile) {
  ASSERT_OK(leases_.Grant(kFile, "writer-a"));
  const absl::Status refused = leases_.Grant(kFile, "writer-b");
  EXPECT_THAT(refused, IsFsError(FsError::kAlreadyBeingCreated));
  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("writer-a")));
  EXPECT_OK(leases_.Grant(kOther, "writer-b"));
  EXPECT_THAT(leases_.HolderOf(kFile), Optional(std::string("writer-a")));
  EXPECT_TRUE(leases_.IsHeldBy(kFile, "writer-a"));
  EXPECT_FALSE(leases_.IsHeldBy(kFile, "writer-b"));
  EXPECT_EQ(leases_.HolderOf(kThird), std::nullopt);
}

// A writer that dies must not keep its file locked for ever.
TEST_F(LeaseManagerTest, SilentWriterLosesItsLeaseAtTheHardLimit) {
  ASSERT_OK(leases_.Grant(kFile, "writer-a"));
  clock_.Advance(absl::Minutes(20) - absl::Milliseconds(1));
  EXPECT_THAT(leases_.TakeExpired(), IsEmpty());
  clock_.Advance(absl::Milliseconds(1));
  EXPECT_THAT(leases_.TakeExpired(), ElementsAre(kFile));
  EXPECT_THAT(leases_.TakeExpired(), IsEmpty());
  EXPECT_EQ(leases_.open_files(), 0u);
  EXPECT_OK(leases_.Grant(kFile, "writer-b"));
}

TEST_F(LeaseManagerTest, RenewingCountsForAllFilesOfTheHolder) {
  ASSERT_OK(leases_.Grant(kFile, "writer-a"));
  ASSERT_OK(leases_.Grant(kOther, "writer-a"));
  ASSERT_OK(leases_.Grant(kThird, "writer-b"));
  clock_.Advance(absl::Minutes(19));
  leases_.Renew("writer-a");
  clock_.Advance(absl::Minutes(1));
  EXPECT_THAT(leases_.TakeExpired(), ElementsAre(kThird));
  EXPECT_TRUE(leases_.IsHeldBy(kFile, "writer-a"));
}

TEST_F(LeaseManagerTest, AnUnknownClientMayRenew) {
  leases_.Renew("nobody");
  EXPECT_EQ(leases_.holders(), 0u);
  EXPECT_TRUE(leases_.IsSoftExpired("nobody"));
}

TEST_F(LeaseManagerTest, TheSoftLimitCountsFromTheLastRenewal) {
  ASSERT_OK(leases_.Grant(kFile, "writer-a"));
  clock_.Advance(absl::Seconds(59));
  leases_.Renew("writer-a");
  clock_.Advance(absl::Seconds(60) - absl::Nanoseconds(1));
  EXPECT_FALSE(leases_.IsSoftExpired("writer-a"));
  clock_.Advance(absl::Nanoseconds(1));
  EXPECT_TRUE(leases_.IsSoftExpired("writer-a"));
}

TEST_F(LeaseManagerTest, GrantingAgainRenews) {
  ASSERT_OK(leases_.Grant(kFile, "writer-a"));
  clock_.Advance(absl::Seconds(60));
  ASSERT_OK(leases_.Grant(kFile, "writer-a"));
  EXPECT_FALSE(leases_.IsSoftExpired("writer-a"));
}

TEST_F(LeaseManagerTest, ReleasingTheLastFileForgetsTheHolder) {
  ASSERT_OK(leases_.Grant(kFile, "writer-a"));
  ASSERT_OK(leases_.Grant(kOther, "writer-a"));
  leases_.Release(kFile);
  EXPECT_EQ(leases_.holders(), 1u);
  leases_.Release(kOther);
  leases_.Release(kOther);
  EXPECT_EQ(leases_.holders(), 0u);
}

TEST_F(LeaseManagerTest, ExpiredFilesComeInInodeOrderAndInSlices) {
  for (const uint64_t id : {5, 3, 9, 1, 7}) ASSERT_OK(leases_.Grant(InodeId{id}, "writer-a"));
  clock_.Advance(absl::Minutes(20));
  EXPECT_THAT(leases_.TakeExpired(3), ElementsAre(InodeId{1}, InodeId{3}, InodeId{5}));
  EXPECT_THAT(leases_.TakeExpired(3), ElementsAre(InodeId{7}, InodeId{9}));
}

// Recovery that does not end is tried again.
TEST_F(LeaseManagerTest, TheNamenodesOwnLeaseExpiresToo) {
  ASSERT_OK(leases_.Grant(kFile, "writer-a"));
  clock_.Advance(absl::Minutes(20));
  for (const InodeId file : leases_.TakeExpired()) leases_.Restore(file, kNamenodeHolder);
  EXPECT_THAT(leases_.Grant(kFile, "writer-a"), IsFsError(FsError::kAlreadyBeingCreated));
  clock_.Advance(absl::Minutes(20));
  EXPECT_THAT(leases_.TakeExpired(), ElementsAre(kFile));
  EXPECT_TRUE(LeaseManager::IsReservedHolder(kNamenodeHolder));
}

TEST_F(LeaseManagerTest, RestoringMovesAFileToItsNewHolder) {
  leases_.Restore(kFile, "writer-a");
  leases_.Restore(kFile, "writer-b");
  EXPECT_THAT(leases_.HolderOf(kFile), Optional(std::string("writer-b")));
  EXPECT_EQ(leases_.holders(), 1u);
  leases_.Restore(kFile, "writer-b");
  EXPECT_EQ(leases_.open_files(), 1u);
}

TEST_F(LeaseManagerTest, SettingTheWallClockTakesNobodysFile) {
  ASSERT_OK(leases_.Grant(kFile, "writer-a"));
  clock_.SetWallTime(clock_.Now() + absl::Hours(1000));
  EXPECT_THAT(leases_.TakeExpired(), IsEmpty());
  EXPECT_FALSE(leases_.IsSoftExpired("writer-a"));
}

TEST_F(LeaseManagerTest, OpenFilesAreListedInPages) {
  ASSERT_OK(leases_.Grant(kOther, "writer-a"));
  clock_.Advance(absl::Seconds(5));
  ASSERT_OK(leases_.Grant(kFile, "writer-b"));
  ASSERT_OK(leases_.Grant(kThird, "writer-b"));
  const auto page = leases_.ListOpen(kNoInode, 2);
  ASSERT_EQ(page.size(), 2u);
  EXPECT_EQ(page[0].file, kFile);
  EXPECT_EQ(page[0].holder, "writer-b");
  EXPECT_EQ(page[1].file, kOther);
  EXPECT_EQ(page[1].idle, absl::Seconds(5));
  EXPECT_EQ(leases_.ListOpen(kOther, 2).size(), 1u);
}

}  // namespace
}  // namespace cairn::namenode
