#include "namenode/lease/lease_manager.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/testing/fake_clock.h"

namespace cairn::namenode {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr InodeId kFile{20001}, kOther{20002}, kThird{20003};

class LeaseManagerTest : public ::testing::Test {
 protected:
  FakeClock clock_;
  LeaseManager leases_{{}, clock_};
};

// A writer that dies must not keep its file locked for ever.
TEST_F(LeaseManagerTest, SilentWriterLosesItsLeaseAtTheHardLimit) {
  leases_.Restore(kFile, "writer-a");
  clock_.Advance(absl::Minutes(20) - absl::Milliseconds(1));
  EXPECT_THAT(leases_.TakeExpired(), IsEmpty());
  clock_.Advance(absl::Milliseconds(1));
  EXPECT_THAT(leases_.TakeExpired(), ElementsAre(kFile));
  EXPECT_THAT(leases_.TakeExpired(), IsEmpty());
}

TEST_F(LeaseManagerTest, RenewingCountsForAllFilesOfTheHolder) {
  leases_.Restore(kFile, "writer-a");
  leases_.Restore(kOther, "writer-a");
  leases_.Restore(kThird, "writer-b");
  clock_.Advance(absl::Minutes(19));
  leases_.Renew("writer-a");
  clock_.Advance(absl::Minutes(1));
  EXPECT_THAT(leases_.TakeExpired(), ElementsAre(kThird));
  clock_.Advance(absl::Minutes(19));
  EXPECT_THAT(leases_.TakeExpired(), ElementsAre(kFile, kOther));
}

TEST_F(LeaseManagerTest, AnUnknownClientMayRenew) {
  leases_.Renew("nobody");
  EXPECT_TRUE(leases_.IsSoftExpired("nobody"));
}

TEST_F(LeaseManagerTest, TheSoftLimitCountsFromTheLastRenewal) {
  leases_.Restore(kFile, "writer-a");
  clock_.Advance(absl::Seconds(59));
  leases_.Renew("writer-a");
  clock_.Advance(absl::Seconds(60) - absl::Nanoseconds(1));
  EXPECT_FALSE(leases_.IsSoftExpired("writer-a"));
  clock_.Advance(absl::Nanoseconds(1));
  EXPECT_TRUE(leases_.IsSoftExpired("writer-a"));
}

TEST_F(LeaseManagerTest, AnotherFileRenews) {
  leases_.Restore(kFile, "writer-a");
  clock_.Advance(absl::Seconds(60));
  leases_.Restore(kOther, "writer-a");
  EXPECT_FALSE(leases_.IsSoftExpired("writer-a"));
}

TEST_F(LeaseManagerTest, ReleasingTheLastFileForgetsTheHolder) {
  leases_.Restore(kFile, "writer-a");
  leases_.Restore(kOther, "writer-a");
  leases_.Release(kFile);
  EXPECT_FALSE(leases_.IsSoftExpired("writer-a"));
  leases_.Release(kOther);
  leases_.Release(kOther);
  EXPECT_TRUE(leases_.IsSoftExpired("writer-a")) << "there is nobody to wait for";
}

TEST_F(LeaseManagerTest, FilesAreListedAPageAtATimeInInodeOrder) {
  for (const uint64_t id : {5, 3, 9}) leases_.Restore(InodeId{id}, "writer-a");
  leases_.Restore(InodeId{4}, "writer-b");
  EXPECT_THAT(leases_.FilesAfter(kNoInode, 2), ElementsAre(InodeId{3}, InodeId{4}));
  EXPECT_THAT(leases_.FilesAfter(InodeId{4}, 2), ElementsAre(InodeId{5}, InodeId{9}));
  EXPECT_THAT(leases_.FilesAfter(InodeId{9}, 2), IsEmpty());
  leases_.Release(InodeId{5});
  EXPECT_THAT(leases_.FilesAfter(InodeId{4}, 2), ElementsAre(InodeId{9}));
}

TEST_F(LeaseManagerTest, ExpiredFilesComeInInodeOrderAndInSlices) {
  for (const uint64_t id : {5, 3, 9, 1, 7}) leases_.Restore(InodeId{id}, "writer-a");
  clock_.Advance(absl::Minutes(20));
  EXPECT_THAT(leases_.TakeExpired(3), ElementsAre(InodeId{1}, InodeId{3}, InodeId{5}));
  EXPECT_THAT(leases_.TakeExpired(3), ElementsAre(InodeId{7}, InodeId{9}));
}

// Recovery that does not end is tried again.
TEST_F(LeaseManagerTest, TheNamenodesOwnLeaseExpiresToo) {
  leases_.Restore(kFile, "writer-a");
  clock_.Advance(absl::Minutes(20));
  for (const InodeId file : leases_.TakeExpired()) leases_.Restore(file, kNamenodeHolder);
  EXPECT_THAT(leases_.TakeExpired(), IsEmpty());
  clock_.Advance(absl::Minutes(20));
  EXPECT_THAT(leases_.TakeExpired(), ElementsAre(kFile));
  EXPECT_TRUE(LeaseManager::IsReservedHolder(kNamenodeHolder));
}

// Writers die every minute, and each of their files comes to the namenode.
TEST_F(LeaseManagerTest, AFileThatComesToTheNamenodeHoldsUpNoneThatItHas) {
  leases_.Restore(kFile, kNamenodeHolder);
  clock_.Advance(absl::Minutes(19));
  leases_.Restore(kOther, kNamenodeHolder);
  leases_.Restore(kFile, kNamenodeHolder);
  leases_.Renew(kNamenodeHolder);
  clock_.Advance(absl::Minutes(1));
  EXPECT_THAT(leases_.TakeExpired(), ElementsAre(kFile));
  leases_.Restore(kFile, kNamenodeHolder);
  leases_.Release(kOther);
  clock_.Advance(absl::Minutes(20));
  EXPECT_THAT(leases_.TakeExpired(), ElementsAre(kFile));
}

TEST_F(LeaseManagerTest, RestoringMovesAFileToItsNewHolder) {
  leases_.Restore(kFile, "writer-a");
  leases_.Restore(kFile, "writer-b");
  EXPECT_TRUE(leases_.IsSoftExpired("writer-a")) << "it has no file";
  EXPECT_FALSE(leases_.IsSoftExpired("writer-b"));
  leases_.Restore(kFile, kNamenodeHolder);
  EXPECT_TRUE(leases_.IsSoftExpired("writer-b"));
  clock_.Advance(absl::Minutes(20));
  EXPECT_THAT(leases_.TakeExpired(), ElementsAre(kFile));
}

TEST_F(LeaseManagerTest, AnExpiredFileIsNobodysUntilSomebodyOpensIt) {
  EXPECT_FALSE(leases_.IsHeldByClient(kFile));
  leases_.Restore(kFile, "writer-a");
  EXPECT_TRUE(leases_.IsHeldByClient(kFile));
  clock_.Advance(absl::Minutes(20));
  EXPECT_TRUE(leases_.IsHeldByClient(kFile));
  EXPECT_THAT(leases_.TakeExpired(), ElementsAre(kFile));
  EXPECT_FALSE(leases_.IsHeldByClient(kFile));
  leases_.Restore(kFile, kNamenodeHolder);
  EXPECT_FALSE(leases_.IsHeldByClient(kFile));
  leases_.Restore(kFile, "writer-b");
  EXPECT_TRUE(leases_.IsHeldByClient(kFile));
}

TEST_F(LeaseManagerTest, SettingTheWallClockTakesNobodysFile) {
  leases_.Restore(kFile, "writer-a");
  clock_.SetWallTime(clock_.Now() + absl::Hours(1000));
  EXPECT_THAT(leases_.TakeExpired(), IsEmpty());
  EXPECT_FALSE(leases_.IsSoftExpired("writer-a"));
}

}  // namespace
}  // namespace cairn::namenode
