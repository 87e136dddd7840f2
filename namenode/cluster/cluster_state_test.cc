#include "namenode/cluster/cluster_state.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "common/testing/fake_clock.h"
#include "common/testing/status_matchers.h"

namespace cairn::namenode {
namespace {

using absl::StatusCode;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr uint64_t kGiB = uint64_t{1} << 30;

StorageInfo Disk(absl::string_view uuid, uint64_t remaining_bytes = 50 * kGiB) {
  StorageInfo storage;
  storage.uuid = std::string(uuid);
  storage.capacity_bytes = 100 * kGiB;
  storage.used_bytes = 100 * kGiB - remaining_bytes;
  storage.remaining_bytes = remaining_bytes;
  return storage;
}

class ClusterStateTest : public ::testing::Test {
 protected:
  static NodeRegistration Node(int n) {
    NodeRegistration node;
    node.uuid = absl::StrCat("node-", n);
    node.address = {absl::StrCat("10.0.0.", n), absl::StrCat("host-", n), 9866, 9867, 0};
    node.storages = {Disk(absl::StrCat("disk-", n))};
    return node;
  }

  // Numbers its storage with `n` and registers it.
  uint64_t Join(int n) {
    cluster_.AddStorage(static_cast<uint32_t>(n), absl::StrCat("disk-", n),
                        absl::StrCat("node-", n), 1);
    const auto session = cluster_.Register(Node(n));
    EXPECT_OK(session);
    return session.value_or(0);
  }

  absl::Status Beat(int n, uint64_t session, uint32_t transfers = 0) {
    const StorageInfo disk = Disk(absl::StrCat("disk-", n));
    return cluster_.Heartbeat(absl::StrCat("node-", n), session, std::span(&disk, 1), transfers);
  }

  Liveness LivenessOf(int n) {
    return cluster_.View()->FindByUuid(absl::StrCat("node-", n))->info->liveness;
  }

  FakeClock clock_;
  ClusterState cluster_{{}, clock_};
};

// Before that nobody can say that a replica is nowhere.
TEST_F(ClusterStateTest, AHolderIsUntoldUntilItHasToldOfItsReplicas) {
  constexpr BlockId kBlock{100};
  const auto untold = [&] {
    const auto holder = cluster_.UntoldHolder(kBlock);
    return holder ? holder->storage_uuid : "";
  };
  EXPECT_EQ(untold(), "") << "there is none";
  cluster_.AddStorage(1, "disk-1", "node-1", 1);
  cluster_.AddStorage(2, "disk-2", "node-2", 1, /*given_up=*/true);
  cluster_.AddStorage(3, "disk-3", "node-2", 1);
  const uint64_t session = Join(1);
  EXPECT_EQ(untold(), "disk-1");
  cluster_.SetReported(1, session);
  EXPECT_EQ(untold(), "disk-2") << "node-2 may come back";
  const auto second = cluster_.Register(Node(2));
  ASSERT_OK(second);
  EXPECT_EQ(untold(), "disk-2") << "it has not said what is on it";
  cluster_.SetReported(2, *second);
  EXPECT_EQ(untold(), "disk-3") << "node-2 has come without it, and may get it back";
  clock_.Advance(absl::Hours(1));  // what was told stays told
  EXPECT_EQ(untold(), "disk-3");
  cluster_.AddStorage(3, "disk-3", "node-2", 1, false, /*lost_from=*/BlockId{101});
  EXPECT_EQ(untold(), "disk-3") << "it was there when the block was added";
  cluster_.AddStorage(3, "disk-3", "node-2", 1, false, /*lost_from=*/kBlock);
  EXPECT_EQ(untold(), "");
}

// Its last report was being taken in while it registered again.
TEST_F(ClusterStateTest, WhatAFormerSessionToldIsNotTheNewOnes) {
  const uint64_t former = Join(1);
  const uint64_t session = Join(1);
  const auto reported = [&] { return cluster_.Nodes()[0].storages[0].reported; };
  cluster_.SetReported(1, former);
  EXPECT_FALSE(reported());
  cluster_.SetReported(1, session);
  EXPECT_TRUE(reported());
}

TEST_F(ClusterStateTest, ALostDiskIsNotWaitedForForEver) {
  constexpr BlockId kBlock{100};
  const absl::Duration wait = ClusterState::Options().lost_disk_wait;
  cluster_.AddStorage(1, "disk-1", "node-1", 1);
  cluster_.AddStorage(2, "disk-2", "node-2", 1);
  clock_.Advance(wait - absl::Seconds(1));
  const uint64_t session = Join(1);
  EXPECT_EQ(cluster_.LostDiskWaitLeft(), absl::Seconds(1));
  cluster_.SetReported(1, session);
  ASSERT_TRUE(cluster_.UntoldHolder(kBlock).has_value());
  EXPECT_EQ(cluster_.UntoldHolder(kBlock)->storage_uuid, "disk-2");
  clock_.Advance(absl::Seconds(1));
  EXPECT_EQ(cluster_.LostDiskWaitLeft(), absl::ZeroDuration());
  EXPECT_FALSE(cluster_.UntoldHolder(kBlock).has_value());
  ASSERT_OK(cluster_.Register(Node(2)));
  EXPECT_TRUE(cluster_.UntoldHolder(kBlock).has_value()) << "it is there after all, and will tell";
}

TEST_F(ClusterStateTest, AFailedDiskIsRecordedAsAwayUntilItIsRegisteredAgain) {
  const uint64_t session = Join(1);
  EXPECT_THAT(cluster_.OutdatedRecords(10), IsEmpty());
  StorageInfo disk = Disk("disk-1");
  disk.failed = true;
  ASSERT_OK(cluster_.Heartbeat("node-1", session, std::span(&disk, 1), 0));
  const auto records = cluster_.OutdatedRecords(10);
  ASSERT_EQ(records.size(), 1u);
  EXPECT_TRUE(records[0].is_away);
  EXPECT_FALSE(records[0].given_up) << "its datanode is there";
  EXPECT_EQ(records[0].lost_from, BlockId{}) << "whoever writes the record knows";
  cluster_.AddStorage(1, "disk-1", "node-1", 1, false, BlockId{50});
  EXPECT_TRUE(cluster_.IsRecordedAway("disk-1"));
  EXPECT_THAT(cluster_.OutdatedRecords(10), IsEmpty());
  ASSERT_OK(cluster_.Heartbeat("node-1", session, std::span(&disk, 1), 0));

  disk.failed = false;
  EXPECT_THAT(cluster_.Heartbeat("node-1", session, std::span(&disk, 1), 0),
              StatusIs(StatusCode::kAborted))
      << "no block may go there before its record says that it is there";
  ASSERT_OK(cluster_.Register(Node(1)));
  const auto back = cluster_.OutdatedRecords(10);
  ASSERT_EQ(back.size(), 1u);
  EXPECT_FALSE(back[0].is_away);
  EXPECT_EQ(back[0].lost_from, BlockId{});
}

// It would be waited for as long as nobody replaces it.
TEST_F(ClusterStateTest, AStartDoesNotWaitForAFailedDisk) {
  cluster_.AddStorage(1, "disk-1", "node-1", 1);
  NodeRegistration node = Node(1);
  node.storages[0].failed = true;
  ASSERT_OK(cluster_.Register(node));
  EXPECT_EQ(cluster_.AwaitedDatanodes().reported, 1);
}

TEST_F(ClusterStateTest, WhoIsAwaitedIsCountedByWhatItHasDone) {
  cluster_.AddStorage(1, "DS-1", "a", 1);
  cluster_.AddStorage(2, "DS-2", "b", 1);
  cluster_.AddStorage(3, "DS-3", "c", 1);
  cluster_.AddStorage(4, "DS-4", "gone", 1, /*given_up=*/true);
  const auto join = [&](const std::string& uuid, const std::string& storage) {
    NodeRegistration node;
    node.uuid = uuid;
    node.address.ip = absl::StrCat("10.1.0.", uuid[0] - 'a' + 1);
    node.address.transfer_port = 9866;
    node.storages.resize(1);
    node.storages[0].uuid = storage;
    const auto session = cluster_.Register(node);
    EXPECT_OK(session);
    return session.value_or(0);
  };
  const uint64_t session = join("a", "DS-1");
  join("b", "DS-2");
  cluster_.SetReported(1, session);
  const ClusterState::Awaited awaited = cluster_.AwaitedDatanodes(/*most_missing=*/5);
  EXPECT_EQ(awaited.known, 3);
  EXPECT_EQ(awaited.registered, 2);
  EXPECT_EQ(awaited.reported, 1);
  EXPECT_THAT(awaited.missing, ::testing::ElementsAre("c"));
}

TEST_F(ClusterStateTest, AStorageIsFoundByItsNumberOnceItsDatanodeHasRegistered) {
  cluster_.AddStorage(7, "disk-7", "node-7", 2);
  EXPECT_EQ(cluster_.NumberOf("disk-7"), 7u);
  EXPECT_EQ(cluster_.NumberOf("disk-8"), std::nullopt);
  EXPECT_FALSE(cluster_.Locate(7).has_value());
  EXPECT_EQ(cluster_.Totals().unregistered, 1);
  EXPECT_EQ(cluster_.AwaitedDatanodes().known, 1);

  ASSERT_OK(cluster_.Register(Node(7)));
  const auto location = cluster_.Locate(7);
  ASSERT_TRUE(location.has_value());
  EXPECT_EQ(location->node->address.ip, "10.0.0.7");
  EXPECT_EQ(location->storage_uuid, "disk-7");
  EXPECT_FALSE(cluster_.Locate(6).has_value());
  EXPECT_FALSE(cluster_.Locate(1'000'000'000).has_value());
  EXPECT_EQ(cluster_.Totals().unregistered, 0);
  EXPECT_THAT(cluster_.StoragesOf("node-7"), ElementsAre(7));
}

TEST_F(ClusterStateTest, AStorageWithoutANumberIsRefused) {
  EXPECT_THAT(cluster_.Register(Node(1)), StatusIs(StatusCode::kFailedPrecondition));
  cluster_.AddStorage(1, "disk-1", "node-2", 1);
  EXPECT_FALSE(cluster_.IsStorageOf("disk-1", "node-1"));
  EXPECT_THAT(cluster_.Register(Node(1)), StatusIs(StatusCode::kFailedPrecondition));
}

TEST_F(ClusterStateTest, ASecondLiveDatanodeWithTheSameUuidIsRefusedAndBothAreNamed) {
  Join(1);
  NodeRegistration copy = Node(1);
  copy.address.ip = "10.0.0.66";
  const auto both =
      AllOf(HasSubstr("node-1"), HasSubstr("10.0.0.66:9866"), HasSubstr("10.0.0.1:9866"));
  EXPECT_THAT(cluster_.CheckRegistration(copy), StatusIs(StatusCode::kAlreadyExists, both));
  EXPECT_THAT(cluster_.Register(copy), StatusIs(StatusCode::kAlreadyExists, both));

  // Another port on the same host is another process.
  NodeRegistration beside = Node(1);
  beside.address.transfer_port = 9966;
  EXPECT_THAT(cluster_.Register(beside), StatusIs(StatusCode::kAlreadyExists));
}

TEST_F(ClusterStateTest, ADatanodeMayMoveOnceItsOldAddressHasBeenSilent) {
  const uint64_t session = Join(1);
  NodeRegistration moved = Node(1);
  moved.address.ip = "10.0.0.66";
  clock_.Advance(absl::Seconds(15) - absl::Nanoseconds(1));
  EXPECT_THAT(cluster_.Register(moved), StatusIs(StatusCode::kAlreadyExists));
  clock_.Advance(absl::Nanoseconds(1));
  ASSERT_OK(cluster_.Register(moved));
  EXPECT_EQ(cluster_.Locate(1)->node->address.ip, "10.0.0.66");
  EXPECT_THAT(Beat(1, session), StatusIs(StatusCode::kAborted));
}

TEST_F(ClusterStateTest, ACopiedStorageIsRefusedWhileItsOwnerLives) {
  Join(1);
  NodeRegistration thief = Node(2);
  thief.storages = {Disk("disk-1")};
  EXPECT_THAT(cluster_.CheckRegistration(thief),
              StatusIs(StatusCode::kAlreadyExists,
                       AllOf(HasSubstr("node-1"), HasSubstr("node-2"), HasSubstr("disk-1"))));
  NodeRegistration twice = Node(3);
  twice.storages = {Disk("disk-3"), Disk("disk-3")};
  EXPECT_THAT(cluster_.CheckRegistration(twice), StatusIs(StatusCode::kInvalidArgument));
}

TEST_F(ClusterStateTest, ADiskThatMovedToAnotherDatanodeKeepsItsNumber) {
  Join(1);
  clock_.Advance(absl::Minutes(1));
  cluster_.AddStorage(1, "disk-1", "node-2", 1);
  NodeRegistration heir = Node(2);
  heir.storages = {Disk("disk-1")};
  ASSERT_OK(cluster_.Register(heir));
  EXPECT_EQ(cluster_.Locate(1)->node->uuid, "node-2");
  EXPECT_THAT(cluster_.View()->FindByUuid("node-1")->info->storages, IsEmpty());
}

TEST_F(ClusterStateTest, OnlyTheCurrentSessionIsHeard) {
  const uint64_t first = Join(1);
  EXPECT_OK(Beat(1, first));
  ASSERT_OK_AND_ASSIGN(const uint64_t second, cluster_.Register(Node(1)));
  EXPECT_NE(first, second);
  EXPECT_THAT(Beat(1, first), StatusIs(StatusCode::kAborted, HasSubstr("register again")));
  EXPECT_OK(Beat(1, second));
  EXPECT_THAT(Beat(2, second), StatusIs(StatusCode::kAborted));
}

TEST_F(ClusterStateTest, ASilentDatanodeIsStaleAfterOneIntervalAndDeadAfterTheOther) {
  const uint64_t session = Join(1);
  clock_.Advance(absl::Seconds(15) - absl::Nanoseconds(1));
  EXPECT_EQ(LivenessOf(1), Liveness::kLive);
  clock_.Advance(absl::Nanoseconds(1));
  EXPECT_EQ(LivenessOf(1), Liveness::kStale);
  EXPECT_TRUE(cluster_.View()->IsReadable(1));
  ASSERT_OK(Beat(1, session));
  EXPECT_EQ(LivenessOf(1), Liveness::kLive);

  clock_.Advance(absl::Minutes(5) - absl::Nanoseconds(1));
  EXPECT_EQ(LivenessOf(1), Liveness::kStale);
  EXPECT_THAT(cluster_.TakeNewlyDead(), IsEmpty());
  clock_.Advance(absl::Nanoseconds(1));
  EXPECT_EQ(LivenessOf(1), Liveness::kDead);
  EXPECT_FALSE(cluster_.View()->IsReadable(1));
  EXPECT_EQ(cluster_.Totals().dead, 1);
  EXPECT_EQ(cluster_.Totals().capacity_bytes, 0u);
}

TEST_F(ClusterStateTest, ADeadDatanodeComesBackOnlyByRegisteringAgain) {
  const uint64_t session = Join(1);
  Join(2);
  clock_.Advance(absl::Minutes(5));
  EXPECT_THAT(Beat(1, session), StatusIs(StatusCode::kAborted, HasSubstr("dead")));
  const auto dead = cluster_.TakeNewlyDead();
  ASSERT_EQ(dead.size(), 2u);
  EXPECT_EQ(dead[dead[0].uuid == Node(1).uuid ? 0 : 1].session, session);
  EXPECT_THAT(cluster_.TakeNewlyDead(), IsEmpty());
  EXPECT_THAT(Beat(1, session), StatusIs(StatusCode::kAborted));
  ASSERT_OK_AND_ASSIGN(const uint64_t again, cluster_.Register(Node(1)));
  EXPECT_OK(Beat(1, again));
  EXPECT_EQ(LivenessOf(1), Liveness::kLive);
  EXPECT_EQ(LivenessOf(2), Liveness::kDead);
}

TEST_F(ClusterStateTest, ADatanodeThatDiedOrNeverCameIsToBeRecordedAsGivenUp) {
  Join(1);
  cluster_.AddStorage(2, "disk-2", "node-2", 1);  // of an earlier run
  EXPECT_EQ(cluster_.AwaitedDatanodes().known, 2);
  clock_.Advance(absl::Minutes(5) - absl::Nanoseconds(1));
  EXPECT_THAT(cluster_.OutdatedRecords(10), IsEmpty());
  clock_.Advance(absl::Nanoseconds(1));
  EXPECT_EQ(cluster_.OutdatedRecords(1).size(), 1u);
  const auto records = cluster_.OutdatedRecords(10);
  ASSERT_EQ(records.size(), 2u);
  for (const auto& record : records) {
    EXPECT_TRUE(record.given_up);
    EXPECT_TRUE(record.is_away);
    cluster_.AddStorage(record.number, record.storage_uuid, record.datanode_uuid, record.type,
                        record.given_up, BlockId{1});
  }
  EXPECT_THAT(cluster_.OutdatedRecords(10), IsEmpty());
  EXPECT_EQ(cluster_.AwaitedDatanodes().known, 0);

  ASSERT_OK(cluster_.Register(Node(1)));
  const auto back = cluster_.OutdatedRecords(10);
  ASSERT_EQ(back.size(), 1u);
  EXPECT_EQ(back[0].storage_uuid, "disk-1");
  EXPECT_FALSE(back[0].given_up);
}

TEST_F(ClusterStateTest, SettingTheWallClockKillsNobody) {
  Join(1);
  clock_.SetWallTime(clock_.Now() + absl::Hours(1000));
  EXPECT_EQ(LivenessOf(1), Liveness::kLive);
}

TEST_F(ClusterStateTest, HeartbeatsBringNumbersIntoTotalsAndSoonIntoTheView) {
  const uint64_t session = Join(1);
  ASSERT_EQ(cluster_.View()->live_nodes(), 1);
  StorageInfo disk = Disk("disk-1", 10 * kGiB);
  disk.blocks = 17;
  ASSERT_OK(cluster_.Heartbeat("node-1", session, std::span(&disk, 1), 5));
  EXPECT_EQ(cluster_.Totals().remaining_bytes, 10 * kGiB);
  clock_.Advance(absl::Milliseconds(100));
  const auto view = cluster_.View();
  EXPECT_EQ(view->FindByUuid("node-1")->info->transfers, 5u);
  EXPECT_EQ(view->FindByUuid("node-1")->info->storages[0].blocks, 17u);
  EXPECT_EQ(cluster_.View(), view) << "nothing changed since";
}

TEST_F(ClusterStateTest, AFailedOrMissingStorageIsNotReadAndAnUnknownOneMeansRegisterAgain) {
  const uint64_t session = Join(1);
  StorageInfo disk = Disk("disk-1");
  disk.failed = true;
  ASSERT_OK(cluster_.Heartbeat("node-1", session, std::span(&disk, 1), 0));
  EXPECT_FALSE(cluster_.View()->IsReadable(1));
  const uint64_t second = Join(1);
  EXPECT_TRUE(cluster_.View()->IsReadable(1));
  ASSERT_OK(cluster_.Heartbeat("node-1", second, {}, 0));
  EXPECT_FALSE(cluster_.View()->IsReadable(1));

  const StorageInfo added = Disk("disk-added");
  EXPECT_THAT(cluster_.Heartbeat("node-1", second, std::span(&added, 1), 0),
              StatusIs(StatusCode::kAborted, HasSubstr("disk-added")));
}

TEST_F(ClusterStateTest, AFailedStorageThatWorksAgainHasToTellAnewWhatItHolds) {
  const uint64_t session = Join(1);
  cluster_.SetReported(1, session);
  StorageInfo disk = Disk("disk-1");
  disk.failed = true;
  ASSERT_OK(cluster_.Heartbeat("node-1", session, std::span(&disk, 1), 0));
  EXPECT_THAT(Beat(1, session), StatusIs(StatusCode::kAborted, HasSubstr("disk-1 is back")));
  EXPECT_FALSE(cluster_.View()->IsReadable(1));
  Join(1);
  EXPECT_TRUE(cluster_.View()->IsReadable(1));
  EXPECT_FALSE(cluster_.Nodes()[0].storages[0].reported);
}

TEST_F(ClusterStateTest, ReportsAreTakenOnceAndInOrder) {
  const uint64_t session = Join(1);
  {
    ASSERT_OK_AND_ASSIGN(auto turn, cluster_.BeginReport("node-1", session, 1));
    EXPECT_TRUE(turn.is_new());
    EXPECT_THAT(cluster_.BeginReport("node-1", session, 1), StatusIs(StatusCode::kUnavailable));
    turn.Done();
  }
  {
    ASSERT_OK_AND_ASSIGN(auto repeated, cluster_.BeginReport("node-1", session, 1));
    EXPECT_FALSE(repeated.is_new());
  }
  EXPECT_THAT(cluster_.BeginReport("node-1", session, 3), StatusIs(StatusCode::kAborted));
  EXPECT_THAT(cluster_.BeginReport("node-1", session - 1, 2), StatusIs(StatusCode::kAborted));
  ASSERT_OK_AND_ASSIGN(auto next, cluster_.BeginReport("node-1", session, 2));
  EXPECT_TRUE(next.is_new());
}

TEST_F(ClusterStateTest, AReportThatFailedIsTakenAgain) {
  const uint64_t session = Join(1);
  { ASSERT_OK_AND_ASSIGN(auto turn, cluster_.BeginReport("node-1", session, 1)); }
  ASSERT_OK_AND_ASSIGN(auto again, cluster_.BeginReport("node-1", session, 1));
  EXPECT_TRUE(again.is_new());
}

TEST_F(ClusterStateTest, ATurnThatOutlivesItsSessionChangesNothing) {
  const uint64_t session = Join(1);
  ASSERT_OK_AND_ASSIGN(auto old_turn, cluster_.BeginReport("node-1", session, 1));
  ASSERT_OK_AND_ASSIGN(const uint64_t next, cluster_.Register(Node(1)));
  old_turn.Done();
  ASSERT_OK_AND_ASSIGN(auto turn, cluster_.BeginReport("node-1", next, 1));
  EXPECT_TRUE(turn.is_new());
}

TEST_F(ClusterStateTest, ScheduledBlocksAreSeenAtOnceAndForgottenAfterTwoWindows) {
  uint64_t session = Join(1);
  const auto view = cluster_.View();
  const uint32_t storages[] = {1, 1, 99};
  cluster_.Schedule(storages);
  EXPECT_EQ(view->FindByUuid("node-1")->scheduled->count(), 2u);
  cluster_.Unschedule(1);
  EXPECT_EQ(view->FindByUuid("node-1")->scheduled->count(), 1u);

  const auto roll = [&] {
    clock_.Advance(absl::Minutes(10));
    session = Join(1);
    ASSERT_OK(Beat(1, session));
  };
  roll();
  EXPECT_EQ(view->FindByUuid("node-1")->scheduled->count(), 1u);
  roll();
  EXPECT_EQ(view->FindByUuid("node-1")->scheduled->count(), 0u);
  cluster_.Unschedule(1);
  EXPECT_EQ(view->FindByUuid("node-1")->scheduled->count(), 0u) << "never below zero";
}

TEST_F(ClusterStateTest, NodesAreDescribedInOrderWithTheirSilence) {
  Join(2);
  clock_.Advance(absl::Seconds(20));
  Join(1);
  const auto nodes = cluster_.Nodes();
  ASSERT_EQ(nodes.size(), 2u);
  EXPECT_EQ(nodes[0].uuid, "node-1");
  EXPECT_EQ(nodes[0].liveness, Liveness::kLive);
  EXPECT_EQ(nodes[1].silent_for, absl::Seconds(20));
  EXPECT_EQ(nodes[1].liveness, Liveness::kStale);
}

TEST_F(ClusterStateTest, RacksComeFromTheTable) {
  ClusterState::Options options;
  options.racks = std::make_shared<RackTable>(
      absl::flat_hash_map<std::string, std::string>{{"10.0.0.1", "/a"}, {"host-2", "/b"}});
  ClusterState cluster(options, clock_);
  for (const int n : {1, 2, 3}) {
    cluster.AddStorage(static_cast<uint32_t>(n), absl::StrCat("disk-", n), absl::StrCat("node-", n),
                       1);
    ASSERT_OK(cluster.Register(Node(n)));
  }
  EXPECT_EQ(cluster.Locate(1)->node->rack, "/a");
  EXPECT_EQ(cluster.Locate(2)->node->rack, "/b");
  EXPECT_EQ(cluster.Locate(3)->node->rack, "/default-rack");
  EXPECT_EQ(cluster.View()->RackOfHost("10.0.0.1"), "/a");
  EXPECT_EQ(cluster.View()->live_racks(), 3);
}

// ---- what the operator says

class AdminStateTest : public ClusterStateTest {
 protected:
  void SetRules(absl::string_view json) {
    auto rules = HostRules::ParseJson(json, "hosts");
    ASSERT_OK(rules);
    cluster_.SetHostRules(std::make_shared<const HostRules>(*std::move(rules)));
  }
  void Leave(int n, absl::string_view state, absl::Time until = absl::InfiniteFuture()) {
    const int64_t ms = until == absl::InfiniteFuture() ? std::numeric_limits<int64_t>::max()
                                                       : absl::ToUnixMillis(until);
    SetRules(absl::StrCat(R"({"hostName": "10.0.0.)", n, R"(", "adminState": ")", state,
                          R"(", "maintenanceExpireTimeInMS": )", ms, "}"));
  }
  AdminState StateOf(int n) {
    return cluster_.View()->FindByUuid(absl::StrCat("node-", n))->info->admin_state;
  }
  std::vector<std::pair<AdminState, AdminState>> TakeChanges() {
    std::vector<std::pair<AdminState, AdminState>> changes;
    for (const auto& change : cluster_.TakeAdminChanges()) {
      changes.emplace_back(change.from, change.to);
    }
    return changes;
  }
};

using enum AdminState;

TEST_F(AdminStateTest, AnExcludedNodeIsDecommissioningUntilItsBlocksAreSafe) {
  Join(1);
  Leave(1, "DECOMMISSIONED");
  EXPECT_EQ(StateOf(1), kDecommissioning);
  Leave(1, "DECOMMISSIONED");  // read again: no step back
  EXPECT_TRUE(cluster_.FinishLeaving("node-1", kDecommissioning));
  Leave(1, "DECOMMISSIONED");
  EXPECT_EQ(StateOf(1), kDecommissioned);
  EXPECT_THAT(TakeChanges(), ElementsAre(std::pair(kInService, kDecommissioning),
                                         std::pair(kDecommissioning, kDecommissioned)));
}

TEST_F(AdminStateTest, CancellingBringsItBackAtOnce) {
  Join(1);
  Leave(1, "DECOMMISSIONED");
  SetRules("");
  EXPECT_EQ(StateOf(1), kInService);
  EXPECT_FALSE(cluster_.FinishLeaving("node-1", kDecommissioning)) << "what was found comes late";
  EXPECT_EQ(StateOf(1), kInService);
}

TEST_F(AdminStateTest, MaintenanceEndsAtItsTimeByTheWallClock) {
  const absl::Time until = clock_.Now() + absl::Hours(1);
  Join(1);
  Leave(1, "IN_MAINTENANCE", until);
  EXPECT_EQ(StateOf(1), kEnteringMaintenance);
  EXPECT_TRUE(cluster_.FinishLeaving("node-1", kEnteringMaintenance));
  clock_.Advance(absl::Hours(1) - absl::Milliseconds(1));
  TakeChanges();
  EXPECT_EQ(StateOf(1), kInMaintenance);
  clock_.Advance(absl::Milliseconds(1));
  EXPECT_THAT(TakeChanges(), ElementsAre(std::pair(kInMaintenance, kInService)));
  EXPECT_EQ(StateOf(1), kInService);
  Leave(1, "IN_MAINTENANCE", until);
  EXPECT_EQ(StateOf(1), kInService) << "it is over";
}

TEST_F(AdminStateTest, AfterARestartTheStateFollowsFromTheRules) {
  Leave(1, "DECOMMISSIONED");
  Join(1);
  Join(2);
  EXPECT_EQ(StateOf(1), kDecommissioning);
  EXPECT_EQ(StateOf(2), kInService);
}

TEST_F(AdminStateTest, OneThatComesBackFromTheDeadIsStillWantedGone) {
  Join(1);
  Leave(1, "DECOMMISSIONED");
  EXPECT_TRUE(cluster_.FinishLeaving("node-1", kDecommissioning));
  clock_.Advance(absl::Hours(1));
  cluster_.TakeNewlyDead();
  Join(1);
  EXPECT_EQ(StateOf(1), kDecommissioned);
}

TEST_F(AdminStateTest, WhoIsNotIncludedIsRefusedAndWhoIsHereIsDecommissionedFirst) {
  const uint64_t session = Join(1);
  SetRules(R"([{"hostName": "host-2"}])");
  cluster_.AddStorage(3, "disk-3", "node-3", 1);
  EXPECT_THAT(cluster_.Register(Node(3)),
              StatusIs(StatusCode::kPermissionDenied,
                       AllOf(HasSubstr("datanode node-3 at 10.0.0.3:9866 (host-3)"),
                             HasSubstr("not in the include-list"))));
  Join(2);
  EXPECT_EQ(StateOf(2), kInService);
  EXPECT_EQ(StateOf(1), kDecommissioning);
  EXPECT_OK(Beat(1, session)) << "it goes on serving meanwhile";
}

TEST_F(AdminStateTest, ANodeThatLeavesIsNoPlaceForNewReplicasAndNoCapacity) {
  for (int n = 1; n <= 5; ++n) Join(n);
  SetRules(R"({"hostName": "host-1", "adminState": "DECOMMISSIONED"}
              {"hostName": "host-2", "adminState": "DECOMMISSIONED"}
              {"hostName": "host-3", "adminState": "IN_MAINTENANCE"}
              {"hostName": "host-4", "adminState": "IN_MAINTENANCE"})");
  EXPECT_TRUE(cluster_.FinishLeaving("node-2", kDecommissioning));
  EXPECT_TRUE(cluster_.FinishLeaving("node-4", kEnteringMaintenance));
  EXPECT_EQ(cluster_.View()->live_nodes(), 1);
  const ClusterTotals totals = cluster_.Totals();
  EXPECT_EQ(totals.live, 5);
  EXPECT_EQ(totals.capacity_bytes, 100 * kGiB);
  EXPECT_EQ(totals.decommissioning, 1);
  EXPECT_EQ(totals.decommissioned, 1);
  EXPECT_EQ(totals.entering_maintenance, 1);
  EXPECT_EQ(totals.in_maintenance, 1);
}

TEST_F(ClusterStateTest, ANewRackTableMovesNodesThatItKnows) {
  Join(1);
  Join(2);
  const auto before = cluster_.View();
  auto wishes = std::make_shared<RackWishes>();
  cluster_.SetRacks(std::make_shared<const RackTable>(
      absl::flat_hash_map<std::string, std::string>{{"10.0.0.1", "/a"}}, wishes));
  EXPECT_EQ(cluster_.View()->FindByUuid("node-1")->info->rack, "/a");
  EXPECT_EQ(cluster_.View()->FindByUuid("node-2")->info->rack, "/default-rack");
  EXPECT_THAT(wishes->Take(10), ElementsAre("10.0.0.2"));
}

TEST_F(ClusterStateTest, ANodeWhoseRackIsBeingLookedUpRegistersOnceItIsKnown) {
  auto wishes = std::make_shared<RackWishes>();
  cluster_.SetRacks(
      std::make_shared<const RackTable>(absl::flat_hash_map<std::string, std::string>{}, wishes));
  cluster_.AddStorage(1, "disk-1", "node-1", 1);
  EXPECT_THAT(cluster_.Register(Node(1)),
              StatusIs(StatusCode::kUnavailable, HasSubstr("its rack is being looked up")));
  EXPECT_THAT(wishes->Take(10), ElementsAre("10.0.0.1"));
  cluster_.SetRacks(std::make_shared<const RackTable>(
      absl::flat_hash_map<std::string, std::string>{{"10.0.0.1", "/a"}}, wishes));
  EXPECT_OK(cluster_.Register(Node(1)));
  EXPECT_EQ(cluster_.View()->FindByUuid("node-1")->info->rack, "/a");
}

}  // namespace
}  // namespace cairn::namenode
