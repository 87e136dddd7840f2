#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "absl/strings/str_cat.h"
#include "common/testing/fake_clock.h"
#include "common/testing/status_matchers.h"
#include "namenode/blocks/testing/memory_store.h"
#include "namenode/core/namenode_impl.h"
#include "namenode/journal/memory_journal.h"
#include "namenode/store/keys.h"

namespace cairn::namenode {
namespace {

using absl::StatusCode;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;
using State = ReplicaState;

constexpr uint64_t kMiB = 1 << 20;
constexpr char kUser[] = "hdfs";
constexpr char kWriter[] = "writer-a";
constexpr char kPath[] = "/f";
const Caller kCaller{.user = kUser, .remote_ip = "192.168.0.1"};

class ReportReplicasTest : public ::testing::Test {
 protected:
  void SetUp() override {
    store::Namespace identity;
    identity.set_cluster_id("CID-1");
    identity.set_block_pool_id("BP-1");
    identity.set_next_inode_id(ToInt(kRootInode) + 1);
    identity.set_next_block_id(1001);
    identity.set_next_generation_stamp(1001);
    store::Inode root;
    root.set_id(ToInt(kRootInode));
    root.set_directory(true);
    root.set_mode(0755);
    root.set_owner(kUser);
    root.set_group(kUser);
    store::Sums sums;
    sums.set_directories(1);
    store_.Put(keys::Namespace(), identity.SerializeAsString());
    store_.Put(keys::Entry(kNoInode, ""), root.SerializeAsString());
    store_.Put(keys::Sums(kRootInode), sums.SerializeAsString());
    store_.Put(keys::Location(kRootInode), store::Location().SerializeAsString());
    ASSERT_OK(store_.Flush());
    Start();
  }

  void Start(MemoryJournal::Mode mode = MemoryJournal::Mode::kAtOnce) {
    namenode_.reset();
    sessions_.clear();
    cluster_ = std::make_unique<ClusterState>(ClusterState::Options(), clock_);
    journal_ = std::make_unique<MemoryJournal>(mode, store_.applied());
    NamenodeOptions options;
    options.healing.deletion_delay = absl::ZeroDuration();
    options.identities.superuser = kUser;
    options.identities.groups_of = [](const std::string&) { return std::vector<std::string>(); };
    namenode_ = std::make_unique<NamenodeImpl>(options, clock_, store_, *cluster_);
    ASSERT_OK(namenode_->OpenStore());
    namenode_->StartServing(*journal_);
  }
  // As after kill -9, with all flushed that was flushed.
  void Restart() { Start(); }

  static DatanodeRegistration Node(int n) {
    DatanodeRegistration node;
    node.layout_version = kDatanodeLayoutVersion;
    node.datanode_uuid = absl::StrCat("node-", n);
    node.address = {absl::StrCat("10.0.0.", n), absl::StrCat("host-", n), 9866, 9867, 0};
    node.storages = {Disk(n)};
    return node;
  }
  static StorageInfo Disk(int n) {
    StorageInfo disk;
    disk.uuid = absl::StrCat("disk-", n);
    disk.capacity_bytes = 1000 * 128 * kMiB;
    disk.remaining_bytes = disk.capacity_bytes;
    return disk;
  }
  void Join(int n) {
    ASSERT_OK_AND_ASSIGN(const DatanodeWelcome welcome, namenode_->Register(Node(n)));
    EXPECT_EQ(welcome.cluster_id, "CID-1");
    EXPECT_TRUE(welcome.full_report);
    sessions_[n] = {welcome.session, 0};
  }
  void JoinAll(int count) {
    for (int n = 1; n <= count; ++n) Join(n);
  }
  uint32_t Storage(int n) { return *cluster_->NumberOf(absl::StrCat("disk-", n)); }

  absl::Status Send(int n, uint64_t sequence, std::vector<ReportedReplica> replicas) {
    ChangesReport report{absl::StrCat("node-", n), sessions_[n].id, sequence, {}};
    report.storages.push_back({absl::StrCat("disk-", n), std::move(replicas)});
    return namenode_->ReportChanges(report);
  }
  void Report(int n, std::vector<ReportedReplica> replicas) {
    EXPECT_OK(Send(n, ++sessions_[n].sequence, std::move(replicas)));
  }
  absl::Status SendPart(int n, uint32_t part, bool last, std::vector<ReportedReplica> replicas) {
    ReplicasReport report{absl::StrCat("node-", n),
                          sessions_[n].id,
                          ++sessions_[n].sequence,
                          absl::StrCat("disk-", n),
                          77,
                          part,
                          last,
                          std::move(replicas)};
    return namenode_->ReportReplicas(report);
  }
  void ReportAll(int n, std::vector<ReportedReplica> replicas) {
    EXPECT_OK(SendPart(n, 0, true, std::move(replicas)));
  }

  void Heal() {
    while (namenode_->RunHealing()) {
    }
  }

  // The blocks that the next heartbeat tells node n to delete.
  std::vector<BlockId> Deletions(int n) {
    const auto commands =
        namenode_->Heartbeat({absl::StrCat("node-", n), sessions_[n].id, {Disk(n)}, 0});
    EXPECT_OK(commands);
    std::vector<BlockId> blocks;
    for (const DatanodeCommand& command : commands.value_or(std::vector<DatanodeCommand>())) {
      if (const auto* invalidate = std::get_if<InvalidateCommand>(&command)) {
        for (const BlockVersion& block : invalidate->blocks) blocks.push_back(block.id);
      }
    }
    return blocks;
  }

  // A file with one block, being written by kWriter.
  BlockVersion CreateOpen(uint32_t replication, absl::string_view path = kPath) {
    CreateOptions create;
    create.client_name = kWriter;
    create.replication = replication;
    create.block_bytes = 128 * kMiB;
    EXPECT_OK(namenode_->Create(kCaller, path, create).value);
    AddBlockRequest request;
    request.path = path;
    request.client_name = kWriter;
    const auto block = namenode_->AddBlock(kCaller, request, nullptr).value;
    EXPECT_OK(block);
    return block.ok() ? block->block : BlockVersion();
  }
  bool Complete(const BlockVersion& last, std::function<void()> on_replica = nullptr,
                absl::string_view path = kPath) {
    const auto done =
        namenode_->Complete(kCaller, path, kNoInode, kWriter, last, std::move(on_replica)).value;
    EXPECT_OK(done);
    return done.value_or(false);
  }
  // A closed file of one block of 100 bytes on nodes 1 to `replication`.
  BlockVersion CreateClosed(int replication, absl::string_view path = kPath) {
    BlockVersion block = CreateOpen(static_cast<uint32_t>(replication), path);
    block.length = 100;
    for (int n = 1; n <= replication; ++n) Report(n, {{block, State::kFinalized}});
    EXPECT_TRUE(Complete(block, nullptr, path));
    return block;
  }
  std::vector<uint32_t> Locations(absl::string_view path = kPath) {
    const auto located = namenode_->GetBlockLocations(kCaller, path, 0, 1000 * kMiB).value;
    EXPECT_OK(located);
    if (!located.ok() || located->blocks.empty()) return {};
    return located->blocks[0].storages;
  }
  void Delete(absl::string_view path = kPath) {
    EXPECT_THAT(namenode_->Delete(kCaller, path, false).value, IsOkAndHolds(true));
  }

  struct Session {
    uint64_t id = 0, sequence = 0;
  };
  FakeClock clock_;
  MemoryStore store_;
  std::unique_ptr<ClusterState> cluster_;
  std::unique_ptr<MemoryJournal> journal_;
  std::unique_ptr<NamenodeImpl> namenode_;
  std::map<int, Session> sessions_;
};

// ---- registration

TEST_F(ReportReplicasTest, ADatanodeOfAnotherClusterIsRefusedAndBothIdsAreNamed) {
  DatanodeRegistration node = Node(1);
  node.cluster_id = "CID-other";
  EXPECT_THAT(namenode_->Register(node),
              StatusIs(StatusCode::kFailedPrecondition,
                       AllOf(HasSubstr("CID-other"), HasSubstr("CID-1"), HasSubstr("node-1"))));
  node = Node(1);
  node.block_pool_id = "BP-other";
  EXPECT_THAT(namenode_->Register(node), StatusIs(StatusCode::kFailedPrecondition,
                                                  AllOf(HasSubstr("BP-other"), HasSubstr("BP-1"))));
  node = Node(1);
  node.layout_version = 99;
  EXPECT_THAT(namenode_->Register(node),
              StatusIs(StatusCode::kFailedPrecondition, HasSubstr("99")));
  node = Node(1);
  node.cluster_id = "CID-1";
  EXPECT_OK(namenode_->Register(node));
}

TEST_F(ReportReplicasTest, AStorageKeepsItsNumberOverARestart) {
  JoinAll(3);
  const uint32_t number = Storage(2);
  ASSERT_OK(store_.Flush());
  Restart();
  Join(2);
  EXPECT_EQ(Storage(2), number);
  Join(4);
  EXPECT_EQ(Storage(4), 3u);
}

TEST_F(ReportReplicasTest, ASecondDatanodeWithTheSameUuidIsRefused) {
  Join(1);
  DatanodeRegistration copy = Node(1);
  copy.address.ip = "10.0.0.99";
  EXPECT_THAT(namenode_->Register(copy), StatusIs(StatusCode::kAlreadyExists));
}

// ---- writing

TEST_F(ReportReplicasTest, CompleteWaitsForTheFirstReplica) {
  JoinAll(3);
  BlockVersion block = CreateOpen(3);
  block.length = 100;
  int woken = 0;
  EXPECT_FALSE(Complete(block, [&] { ++woken; }));
  Report(2, {{block, State::kFinalized}});
  EXPECT_EQ(woken, 1);
  EXPECT_TRUE(Complete(block));
  EXPECT_THAT(Locations(), ElementsAre(Storage(2)));
  Report(1, {{block, State::kFinalized}});
  EXPECT_THAT(Locations(), UnorderedElementsAre(Storage(1), Storage(2)));
}

TEST_F(ReportReplicasTest, AnAllocationIsScheduledUntilItIsReported) {
  JoinAll(1);
  const BlockVersion block = CreateOpen(1);
  const auto count = [&] { return cluster_->View()->FindByUuid("node-1")->scheduled->count(); };
  EXPECT_EQ(count(), 1u);
  Report(1, {{block, State::kFinalized}});
  EXPECT_EQ(count(), 0u);
}

TEST_F(ReportReplicasTest, AReplicaOfAnotherLengthIsNotServedAndIsDeletedOnceThereAreEnough) {
  JoinAll(3);
  for (int n = 1; n <= 3; ++n) ReportAll(n, {});
  clock_.Advance(absl::Seconds(1));
  Heal();
  BlockVersion block = CreateOpen(2);
  block.length = 100;
  Report(1, {{block, State::kFinalized}});
  EXPECT_TRUE(Complete(block));
  BlockVersion torn = block;
  torn.length = 60;
  Report(3, {{torn, State::kFinalized}});
  EXPECT_THAT(Locations(), ElementsAre(Storage(1)));
  Heal();
  EXPECT_THAT(Deletions(3), IsEmpty()) << "one good replica of two wanted";
  Report(2, {{block, State::kFinalized}});
  Heal();
  EXPECT_THAT(Deletions(3), ElementsAre(block.id));
  EXPECT_THAT(Deletions(1), IsEmpty());
  EXPECT_THAT(Deletions(2), IsEmpty());
}

// The order waits in the datanode, and meets the replica wherever it is then.
TEST_F(ReportReplicasTest, AMoveBetweenDisksDoesNotTakeAnOrderedDeletionBack) {
  std::vector<StorageInfo> disks = {Disk(1), Disk(11)};
  for (StorageInfo& disk : disks) disk.remaining_bytes /= 2;  // the fullest node loses its replica
  DatanodeRegistration node = Node(1);
  node.storages = disks;
  ASSERT_OK_AND_ASSIGN(const DatanodeWelcome welcome, namenode_->Register(node));
  sessions_[1] = {welcome.session, 0};
  for (int n = 2; n <= 3; ++n) Join(n);
  for (int n = 1; n <= 3; ++n) ReportAll(n, {});
  ASSERT_OK(namenode_->ReportReplicas(
      {"node-1", sessions_[1].id, ++sessions_[1].sequence, "disk-11", 78, 0, true, {}}));
  clock_.Advance(absl::Seconds(1));
  Heal();
  const BlockVersion block = CreateClosed(3);
  EXPECT_THAT(namenode_->SetReplication(kCaller, kPath, 2).value, IsOkAndHolds(true));
  clock_.Advance(absl::Seconds(1));
  Heal();
  const auto orders = namenode_->Heartbeat({"node-1", sessions_[1].id, disks, 0});
  ASSERT_OK(orders);
  ASSERT_EQ(orders->size(), 1u);
  ASSERT_NE(std::get_if<InvalidateCommand>(&orders->front()), nullptr);

  StorageInfo fuller = Disk(2);  // by now another one would be chosen
  fuller.remaining_bytes /= 10;
  ASSERT_OK(namenode_->Heartbeat({"node-2", sessions_[2].id, {fuller}, 0}));

  ChangesReport moved{"node-1", sessions_[1].id, ++sessions_[1].sequence, {}};
  moved.storages.push_back({"disk-1", {{block, State::kDeleted}}});
  moved.storages.push_back({"disk-11", {{block, State::kFinalized}}});
  ASSERT_OK(namenode_->ReportChanges(moved));
  clock_.Advance(absl::Seconds(2));
  Heal();
  const auto health = namenode_->DescribeBlock(kCaller, block.id).value;
  ASSERT_OK(health);
  EXPECT_EQ(health->counts.excess, 1u);
  EXPECT_EQ(health->counts.live, 2u);
  for (int n = 2; n <= 3; ++n) EXPECT_THAT(Deletions(n), IsEmpty()) << n;
}

// ---- order and repetition

TEST_F(ReportReplicasTest, ARepeatedReportIsAnsweredAndNotTakenAgain) {
  JoinAll(2);
  const BlockVersion block = CreateClosed(2);
  ASSERT_OK(Send(1, 2, {{block, State::kDeleted}}));
  EXPECT_THAT(Locations(), ElementsAre(Storage(2)));
  ASSERT_OK(Send(1, 1, {{block, State::kFinalized}})) << "delayed, from before";
  EXPECT_THAT(Locations(), ElementsAre(Storage(2)));
  EXPECT_THAT(Send(1, 4, {}), StatusIs(StatusCode::kAborted));
}

TEST_F(ReportReplicasTest, AReportOfAFormerSessionIsRefused) {
  JoinAll(2);
  const BlockVersion block = CreateClosed(2);
  const Session old = sessions_[1];
  Join(1);
  std::swap(sessions_[1].id, const_cast<Session&>(old).id);
  EXPECT_THAT(Send(1, 1, {{block, State::kDeleted}}), StatusIs(StatusCode::kAborted));
  EXPECT_THAT(Locations(), UnorderedElementsAre(Storage(1), Storage(2)));
}

TEST_F(ReportReplicasTest, TheLastWordOnABlockInOneReportCounts) {
  JoinAll(2);
  const BlockVersion block = CreateClosed(2);
  ASSERT_OK(store_.Flush());
  Restart();
  JoinAll(2);
  Report(1, {{block, State::kFinalized}, {block, State::kDeleted}});
  EXPECT_THAT(Locations(), ElementsAre(Storage(2)));
}

// ---- deletion

TEST_F(ReportReplicasTest, ADeletionLeavesOnlyWhenItsEditIsDurable) {
  Start(MemoryJournal::Mode::kStepped);
  JoinAll(1);
  const BlockVersion block = CreateClosed(1);
  journal_->MakeAllDurable();
  Delete();
  namenode_->RunMaintenance();
  EXPECT_THAT(Deletions(1), IsEmpty());
  journal_->MakeAllDurable();
  EXPECT_THAT(Deletions(1), ElementsAre(block.id));
  EXPECT_THAT(Deletions(1), IsEmpty());
}

// The answer to the heartbeat never came: no full report would tell before the next registration.
TEST_F(ReportReplicasTest, ADeletionThatNobodyAnsweredIsOrderedAgain) {
  JoinAll(1);
  const BlockVersion block = CreateClosed(1);
  const BlockVersion other = CreateClosed(1, "/other");
  Delete();
  Delete("/other");
  EXPECT_THAT(Deletions(1), UnorderedElementsAre(block.id, other.id));
  Report(1, {{other, State::kDeleted}});
  clock_.Advance(absl::Minutes(4));
  EXPECT_THAT(Deletions(1), IsEmpty());
  clock_.Advance(absl::Minutes(1));
  EXPECT_THAT(Deletions(1), ElementsAre(block.id));
  Report(1, {{block, State::kDeleted}});
  for (int i = 0; i < 5; ++i) {
    clock_.Advance(absl::Minutes(4));
    EXPECT_THAT(Deletions(1), IsEmpty());
  }
}

// What they were made from may have changed while it was away.
TEST_F(ReportReplicasTest, ADatanodeThatRegistersAnewGetsNoOldOrders) {
  JoinAll(1);
  const BlockVersion block = CreateOpen(1);
  Report(1, {{block, State::kBeingWritten}});
  EXPECT_THAT(namenode_->RecoverLease(kCaller, kPath, "other").value, IsOkAndHolds(false));
  namenode_->RunMaintenance();
  const auto orders = [&] {
    const auto commands = namenode_->Heartbeat({"node-1", sessions_[1].id, {Disk(1)}, 0});
    EXPECT_OK(commands);
    return commands.value_or(std::vector<DatanodeCommand>()).size();
  };
  Join(1);
  EXPECT_EQ(orders(), 0u);
  ReportAll(1, {{block, State::kWaitingRecovery}});
  clock_.Advance(absl::Seconds(10));
  namenode_->RunMaintenance();
  EXPECT_EQ(orders(), 1u) << "given again";
}

TEST_F(ReportReplicasTest, ADelayedReportBringsNoDeletedBlockBack) {
  JoinAll(2);
  const BlockVersion block = CreateClosed(1);
  Delete();
  EXPECT_THAT(Deletions(1), ElementsAre(block.id));
  Report(2, {{block, State::kFinalized}});
  EXPECT_FALSE(store_.Has(keys::Replicas(block.id)));
  EXPECT_FALSE(store_.Has(keys::StorageBlock(Storage(2), block.id)));
  EXPECT_THAT(Deletions(2), ElementsAre(block.id)) << "nobody has it: delete";
  const int writes = store_.unjournalled_writes;
  Report(1, {{block, State::kDeleted}});
  EXPECT_EQ(store_.unjournalled_writes, writes);
}

// Deleted, and then the namenode died before the datanodes heard of it.
TEST_F(ReportReplicasTest, AnUnknownBlockIsDeletedAfterARestart) {
  JoinAll(1);
  const BlockVersion block = CreateClosed(1);
  Delete();
  ASSERT_OK(store_.Flush());
  Restart();
  Join(1);
  ReportAll(1, {{block, State::kFinalized}});
  EXPECT_THAT(Deletions(1), ElementsAre(block.id));
}

TEST_F(ReportReplicasTest, ADeadDatanodeHearsOfItsDeletionsWhenItIsBack) {
  JoinAll(1);
  const BlockVersion block = CreateClosed(1);
  clock_.Advance(absl::Minutes(6));
  namenode_->RunMaintenance();
  Delete();
  Join(1);
  EXPECT_THAT(Deletions(1), IsEmpty());
  ReportAll(1, {{block, State::kFinalized}});
  EXPECT_THAT(Deletions(1), ElementsAre(block.id));
}

TEST_F(ReportReplicasTest, NothingIsDeletedInSafeMode) {
  JoinAll(1);
  const BlockVersion block = CreateClosed(1);
  Delete();
  EXPECT_OK(namenode_->SafeMode(kCaller, SafeModeAction::kEnter).value);
  EXPECT_THAT(Deletions(1), IsEmpty());
  EXPECT_OK(namenode_->SafeMode(kCaller, SafeModeAction::kLeave).value);
  EXPECT_THAT(Deletions(1), ElementsAre(block.id));
}

// A namenode restored from an old copy must not delete what it has not heard of yet.
TEST_F(ReportReplicasTest, ABlockFromTheFutureIsLeftAlone) {
  JoinAll(1);
  const BlockVersion future{BlockId{uint64_t{1} << 40}, GenerationStamp{1001}, 100};
  ReportAll(1, {{future, State::kFinalized}});
  EXPECT_THAT(Deletions(1), IsEmpty());
}

// ---- full reports

TEST_F(ReportReplicasTest, AfterARestartReplicasAreKnownWithoutAnyReport) {
  JoinAll(2);
  CreateClosed(2);
  ASSERT_OK(store_.Flush());
  Restart();
  EXPECT_THAT(Locations(), IsEmpty()) << "no datanode has told its address yet";
  JoinAll(2);
  EXPECT_THAT(Locations(), UnorderedElementsAre(Storage(1), Storage(2)));
}

TEST_F(ReportReplicasTest, AFullReportThatSaysNothingNewChangesNothing) {
  JoinAll(2);
  const BlockVersion block = CreateClosed(2);
  ASSERT_OK(store_.Flush());
  Restart();
  JoinAll(2);
  const int writes = store_.unjournalled_writes;
  ReportAll(1, {{block, State::kFinalized}});
  EXPECT_EQ(store_.unjournalled_writes, writes);
  EXPECT_THAT(Locations(), UnorderedElementsAre(Storage(1), Storage(2)));
}

TEST_F(ReportReplicasTest, AFullReportAddsWhatTheRecordsForgotAndDropsWhatIsGone) {
  JoinAll(2);
  const BlockVersion kept = CreateClosed(2, "/kept");
  const BlockVersion lost = CreateClosed(2, "/lost");
  ASSERT_OK(store_.Flush());
  // The last seconds of the locations did not survive.
  store_.DeleteUnjournalled(keys::Replicas(kept.id));
  store_.DeleteUnjournalled(keys::StorageBlock(Storage(1), kept.id));
  store_.DeleteUnjournalled(keys::StorageBlock(Storage(2), kept.id));
  ASSERT_OK(store_.Flush());
  Restart();
  JoinAll(2);
  ReportAll(1, {{kept, State::kFinalized}});
  EXPECT_THAT(Locations("/kept"), ElementsAre(Storage(1)));
  EXPECT_THAT(Locations("/lost"), ElementsAre(Storage(2)));
  EXPECT_FALSE(store_.Has(keys::StorageBlock(Storage(1), lost.id)));
}

TEST_F(ReportReplicasTest, AnOlderCopysStaleReplicaIsDropped) {
  JoinAll(2);
  const BlockVersion block = CreateClosed(2);
  BlockVersion stale = block;
  stale.stamp = GenerationStamp{ToInt(block.stamp) - 1};
  ReportAll(2, {{stale, State::kFinalized}});
  EXPECT_THAT(Locations(), ElementsAre(Storage(1)));
  EXPECT_THAT(Deletions(2), ElementsAre(block.id));
}

// After a restart a datanode with an old version may be the first to register.
TEST_F(ReportReplicasTest, AStaleReplicaIsRememberedUntilThereIsAGoodOne) {
  JoinAll(2);
  const BlockVersion block = CreateClosed(1);
  BlockVersion stale = block;
  stale.stamp = GenerationStamp{ToInt(block.stamp) - 1};
  Restart();
  Join(2);
  ReportAll(2, {{stale, State::kFinalized}});
  Heal();
  EXPECT_THAT(Deletions(2), IsEmpty());
  Join(1);
  ReportAll(1, {{block, State::kFinalized}});
  clock_.Advance(absl::Seconds(1));
  Heal();
  EXPECT_THAT(Locations(), ElementsAre(Storage(1)));
  EXPECT_THAT(Deletions(2), ElementsAre(block.id));
}

TEST_F(ReportReplicasTest, WhatChangedBetweenThePartsIsNotJudgedByTheList) {
  JoinAll(1);
  const BlockVersion a = CreateClosed(1, "/a");
  const BlockVersion b = CreateClosed(1, "/b");
  // The list was taken before /c was written and /b was lost.
  ASSERT_OK(SendPart(1, 0, false, {{a, State::kFinalized}}));
  const BlockVersion c = CreateClosed(1, "/c");
  Report(1, {{b, State::kDeleted}});
  ASSERT_OK(SendPart(1, 1, true, {{b, State::kFinalized}}));
  EXPECT_THAT(Locations("/a"), ElementsAre(Storage(1)));
  EXPECT_THAT(Locations("/b"), IsEmpty());
  EXPECT_THAT(Locations("/c"), ElementsAre(Storage(1)));
  EXPECT_TRUE(store_.Has(keys::StorageBlock(Storage(1), c.id)));
}

TEST_F(ReportReplicasTest, PartsComeInOrder) {
  JoinAll(1);
  const BlockVersion a = CreateClosed(1, "/a");
  const BlockVersion b = CreateClosed(1, "/b");
  EXPECT_THAT(SendPart(1, 1, true, {}), StatusIs(StatusCode::kAborted));
  Join(1);
  ASSERT_OK(SendPart(1, 0, false, {{b, State::kFinalized}}));
  EXPECT_THAT(SendPart(1, 1, true, {{a, State::kFinalized}}),
              StatusIs(StatusCode::kInvalidArgument));
}

TEST_F(ReportReplicasTest, ManyReplicasAreTakenInSlices) {
  JoinAll(1);
  std::vector<ReportedReplica> all;
  for (int i = 0; i < 300; ++i) {
    all.push_back({CreateClosed(1, absl::StrCat("/f", i)), State::kFinalized});
  }
  ASSERT_OK(store_.Flush());
  Restart();
  Join(1);
  std::vector<ReportedReplica> every_second;
  for (size_t i = 0; i < all.size(); i += 2) every_second.push_back(all[i]);
  ReportAll(1, every_second);
  for (int i = 0; i < 300; ++i) {
    EXPECT_EQ(Locations(absl::StrCat("/f", i)).size(), i % 2 == 0 ? 1u : 0u) << i;
  }
  Join(1);
  ReportAll(1, all);
  for (int i = 0; i < 300; ++i) EXPECT_EQ(Locations(absl::StrCat("/f", i)).size(), 1u) << i;
}

TEST_F(ReportReplicasTest, AfterARestartAWriterGoesOn) {
  JoinAll(2);
  BlockVersion block = CreateOpen(2);
  ASSERT_OK(store_.Flush());
  Restart();
  JoinAll(2);
  BlockVersion half = block;
  half.length = 40;
  ReportAll(1, {{half, State::kBeingWritten}});
  ReportAll(2, {{half, State::kBeingWritten}});
  block.length = 100;
  Report(1, {{block, State::kFinalized}});
  EXPECT_TRUE(Complete(block));
  Report(2, {{block, State::kFinalized}});
  EXPECT_THAT(Locations(), UnorderedElementsAre(Storage(1), Storage(2)));
}

// ---- recovery

TEST_F(ReportReplicasTest, TheFirstReplicaUnderTheRecoverysStampClosesTheFile) {
  JoinAll(2);
  BlockVersion block = CreateOpen(2);
  for (const int n : {1, 2}) Report(n, {{block, State::kBeingWritten}});
  EXPECT_THAT(namenode_->RecoverLease(kCaller, kPath, "another").value, IsOkAndHolds(false));
  namenode_->RunMaintenance();
  GenerationStamp stamp{};
  for (const int n : {1, 2}) {
    const auto commands =
        namenode_->Heartbeat({absl::StrCat("node-", n), sessions_[n].id, {Disk(n)}, 0});
    ASSERT_OK(commands);
    for (const DatanodeCommand& command : *commands) {
      const auto* recover = std::get_if<RecoverCommand>(&command);
      if (recover == nullptr) continue;
      stamp = recover->new_stamp;
      EXPECT_EQ(recover->block.id, block.id);
      EXPECT_EQ(recover->replicas.size(), 2u);
    }
  }
  ASSERT_GT(stamp, block.stamp);
  const BlockVersion recovered{block.id, stamp, 40};
  EXPECT_THAT(namenode_->IsFileClosed(kCaller, kPath).value, IsOkAndHolds(false));
  Report(1, {{recovered, State::kFinalized}});
  EXPECT_THAT(namenode_->IsFileClosed(kCaller, kPath).value, IsOkAndHolds(true));
  Report(2, {{recovered, State::kFinalized}});
  EXPECT_THAT(Locations(), UnorderedElementsAre(Storage(1), Storage(2)));

  // The writer wakes up late: what it wrote under its stamp does not count.
  block.length = 90;
  Report(2, {{block, State::kFinalized}});
  EXPECT_THAT(Locations(), ElementsAre(Storage(1)));
}

TEST_F(ReportReplicasTest, AnUnregisteredStorageMeansRegisterAgain) {
  JoinAll(1);
  ChangesReport report{"node-1", sessions_[1].id, 1, {{"disk-2", {}}}};
  EXPECT_THAT(namenode_->ReportChanges(report), StatusIs(StatusCode::kAborted));
}

}  // namespace
}  // namespace cairn::namenode
