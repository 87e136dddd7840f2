// Groups on datanodes that lose units, or have wrong ones.
#include "client/group_verifier.h"

#include <functional>
#include <utility>

#include "client/testing/streams_fixture.h"
#include "client/testing/striped_data.h"
#include "proto/hdfs/client_namenode.pb.h"

namespace cairn::client {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Optional;
using ::testing::SizeIs;
using ::testing::StartsWith;
using State = GroupFinding::State;

constexpr uint64_t kCell = 1024;
constexpr uint64_t kStripe = 3 * kCell;
constexpr uint64_t kUnit = 4 * kCell;  // of a whole group
constexpr uint64_t kGroup = 3 * kUnit;
constexpr char kPath[] = "/f";

// Lets somebody else act when it is looked at next.
class ActingClock final : public Clock {
 public:
  absl::Time Now() override { return clock_.Now(); }
  absl::Duration Monotonic() override {
    if (const auto act = std::exchange(next_act, nullptr)) act();
    return clock_.Monotonic();
  }

  std::function<void()> next_act;

 private:
  FakeClock clock_;
};

class GroupVerifierTest : public ::testing::Test {
 protected:
  static ClientOptions Options() {
    ClientOptions options;
    options.read_timeout = absl::Seconds(20);
    options.short_circuit = false;
    return options;
  }

  std::string Put(size_t bytes) {
    const std::string data = RandomBytes(bytes);
    cluster_.PutStriped(kPath, SmallCells(3, 2), data, kUnit);
    return data;
  }
  // As an operator's tool is told of it.
  BlockReport Group(size_t number = 0) {
    hdfs::GetBlockLocationsRequestProto request;
    request.set_src(kPath);
    request.set_offset(number * kGroup);
    request.set_length(1);
    const auto found =
        context_->Call<hdfs::GetBlockLocationsResponseProto>("getBlockLocations", kPath, request);
    BlockReport group;
    if (!found.ok() || found->locations().blocks().empty()) {
      ADD_FAILURE() << "group " << number << ": " << found.status();
      return group;
    }
    const hdfs::LocatedBlockProto& block = found->locations().blocks(0);
    group.id = block.b().blockid();
    group.stamp = block.b().generationstamp();
    group.length = block.b().numbytes();
    group.offset = block.offset();
    return group;
  }
  GroupFinding Verify(const BlockReport& group) {
    const absl::StatusOr<GroupFinding> found = verifier_.Verify(kPath, group);
    EXPECT_OK(found);
    return found.ok() ? *found : GroupFinding();
  }
  GroupFinding Verify() { return Verify(Group()); }
  // Other bytes, whose checksums are right.
  void SpoilUnit(const std::string& data, uint32_t unit, size_t at) {
    std::string bytes = MakeUnits(SmallCells(3, 2), data)[unit];
    bytes[at] ^= 1;
    cluster_.PutUnit(kPath, 0, unit, std::move(bytes));
  }

  ActingClock clock_;  // outlives the context
  FakeCluster cluster_{5};
  const std::shared_ptr<ClientContext> context_ = cluster_.NewContext(Options(), clock_);
  GroupVerifier verifier_{context_};
};

TEST_F(GroupVerifierTest, EachGroupOfAFileIsVerified) {
  for (const size_t bytes : {uint64_t{1}, kCell, kCell + 1, kStripe - 1, kStripe, kStripe + 1,
                             kGroup - 1, kGroup, kGroup + 1, 5 * kGroup / 2}) {
    Put(bytes);
    for (size_t number = 0; number * kGroup < bytes; ++number) {
      const GroupFinding found = Verify(Group(number));
      EXPECT_EQ(found.state, State::kVerified) << bytes << ", group " << number;
      EXPECT_GT(found.unit_bytes, 0u);
      EXPECT_EQ(found.compared_bytes, found.unit_bytes);
    }
  }
  EXPECT_THAT(cluster_.BadReplicaReports(), IsEmpty());
}

TEST_F(GroupVerifierTest, AUnitWithOtherBytesAndRightChecksumsIsNamedAndNotReported) {
  for (const uint32_t unit : {0u, 2u, 4u}) {
    SpoilUnit(Put(kGroup - 5), unit, 1700);
    const GroupFinding found = Verify();
    EXPECT_EQ(found.state, State::kContradiction);
    EXPECT_THAT(found.differ_at, Optional(1700u));
    ASSERT_TRUE(found.wrong.has_value());
    EXPECT_EQ(found.wrong->unit, unit);
    EXPECT_EQ(found.wrong->block, cluster_.UnitId(kPath, 0, unit));
    EXPECT_THAT(found.wrong->datanode, StartsWith("127.0.0.1:"));
    EXPECT_THAT(found.lost, IsEmpty());
  }
  EXPECT_THAT(cluster_.BadReplicaReports(), IsEmpty());
}

TEST_F(GroupVerifierTest, WithOneSpareUnitNobodyIsNamed) {
  SpoilUnit(Put(kGroup), 1, 1700);
  cluster_.HideUnit(kPath, 0, 3);
  const GroupFinding found = Verify();
  EXPECT_EQ(found.state, State::kContradiction);
  EXPECT_THAT(found.differ_at, Optional(1700u));
  EXPECT_FALSE(found.wrong.has_value());
  ASSERT_THAT(found.lost, SizeIs(1));
  EXPECT_EQ(found.lost[0].unit, 3u);
}

TEST_F(GroupVerifierTest, AReplicaWithBadChecksumsIsNamedAndReported) {
  Put(kGroup);
  cluster_.FlipBit(kPath, 0, 3, 2000);
  const GroupFinding found = Verify();
  EXPECT_EQ(found.state, State::kUnreadable);
  ASSERT_THAT(found.unreadable, SizeIs(1));
  EXPECT_EQ(found.unreadable[0].unit, 3u);
  EXPECT_EQ(found.unreadable[0].block, cluster_.UnitId(kPath, 0, 3));
  EXPECT_THAT(found.unreadable[0].datanode, StartsWith("127.0.0.1:"));
  EXPECT_THAT(found.lost, IsEmpty());
  EXPECT_EQ(found.compared_bytes, kUnit);  // the others
  EXPECT_THAT(cluster_.BadReplicaReports(), ElementsAre(3));
  EXPECT_THAT(cluster_.BadBlockReports(), ElementsAre(cluster_.UnitId(kPath, 0, 3)));
}

TEST_F(GroupVerifierTest, LostUnitsAreToldWithWhatIsKnownOfThem) {
  Put(kGroup);
  cluster_.HideUnit(kPath, 0, 1);
  cluster_.DropUnit(kPath, 0, 4);
  const GroupFinding found = Verify();
  EXPECT_EQ(found.state, State::kLost);
  ASSERT_THAT(found.lost, SizeIs(2));
  EXPECT_EQ(found.lost[0].unit, 1u);
  EXPECT_EQ(found.lost[0].datanode, "");
  EXPECT_THAT(found.lost[0].why, HasSubstr("no datanode is known"));
  EXPECT_EQ(found.lost[1].unit, 4u);
  EXPECT_THAT(found.lost[1].datanode, StartsWith("127.0.0.1:"));
  EXPECT_THAT(found.lost[1].why, HasSubstr("Replica not found"));
  EXPECT_EQ(found.compared_bytes, 0u);
  cluster_.CutUnit(kPath, 0, 0, 1500);
  EXPECT_EQ(Verify().state, State::kTooFew);
}

TEST_F(GroupVerifierTest, AShortGroupNeedsFewUnits) {
  Put(100);
  cluster_.DropUnit(kPath, 0, 0);
  cluster_.DropUnit(kPath, 0, 4);
  const GroupFinding found = Verify();
  EXPECT_EQ(found.state, State::kLost);
  EXPECT_EQ(found.compared_bytes, 0u);
  cluster_.DropUnit(kPath, 0, 3);
  EXPECT_EQ(Verify().state, State::kTooFew);
}

TEST_F(GroupVerifierTest, AStreamThatBreaksIsOpenedOnceMore) {
  Put(kGroup);
  cluster_.BreakReads(2, 1);
  EXPECT_EQ(Verify().state, State::kVerified);
  EXPECT_EQ(cluster_.BrokenReads(2), 1);
}

TEST_F(GroupVerifierTest, TokensThatRunOutAreRenewed) {
  Put(kGroup);
  clock_.next_act = [this] { cluster_.RenewTokens(); };
  EXPECT_EQ(Verify().state, State::kVerified);
}

TEST_F(GroupVerifierTest, NothingIsSaidOfAGroupThatIsGone) {
  Put(kGroup);
  const BlockReport before = Group();
  Put(kGroup);  // another file of this name
  EXPECT_EQ(Verify(before).state, State::kChanged);
  const BlockReport of_removed = Group();
  cluster_.Move(kPath, "/elsewhere");
  EXPECT_EQ(Verify(of_removed).state, State::kChanged);
}

TEST_F(GroupVerifierTest, NothingIsSaidOfAGroupThatGoesMeanwhile) {
  Put(kGroup);
  cluster_.PutStriped("/other", SmallCells(3, 2), RandomBytes(kCell), kUnit);
  clock_.next_act = [this] {
    cluster_.DropUnit(kPath, 0, 1);
    cluster_.Move("/other", kPath);
  };
  EXPECT_EQ(Verify().state, State::kChanged);
}

}  // namespace
}  // namespace cairn::client
