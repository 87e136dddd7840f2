// A whole datanode between a client on its ports and a namenode that the test plays.
#include "datanode/datanode.h"

#include <atomic>
#include <utility>

#include "absl/strings/match.h"
#include "absl/synchronization/notification.h"
#include "common/replica_digest.h"
#include "common/testing/eventually.h"
#include "common/testing/status_matchers.h"
#include "common/testing/wrapped_file_system.h"
#include "datanode/testing/datanode_fixture.h"
#include "datanode/testing/hanging_file_system.h"
#include "datanode/testing/transfer_client.h"
#include "proto/hdfs/client_datanode.pb.h"
#include "wire/rpc/client.h"

namespace cairn::datanode {
namespace {

using testing::DatanodeTest;
using ::testing::Eq;
using ::testing::HasSubstr;
using testing::NodeAt;
using testing::Pattern;
using ::testing::SizeIs;
using testing::TestBlock;
using testing::TransferClient;
using testing::WriteOp;
using transfer::Opcode;

// What changes is told at once: the next heartbeat is an hour away.
TEST_F(DatanodeTest, RegistersReportsEverythingAndThenWhatChanges) {
  namenode_.SetHeartbeatInterval(3600 * 1000);
  ASSERT_OK_AND_ASSIGN(const auto datanode, StartAt("n1"));
  EVENTUALLY(namenode_.parts().size() == 1 && namenode_.heartbeats() == 1);
  EXPECT_TRUE(namenode_.parts()[0].last());
  ASSERT_OK(Write(datanode->transfer_port(), {}, Pattern(1000)));
  EVENTUALLY(namenode_.Heard(TestBlock().id, internal::FINALIZED));
  const auto registration = namenode_.registrations().front();
  EXPECT_EQ(registration.address().transfer_port(), datanode->transfer_port());
  EXPECT_EQ(registration.storages_size(), 1);
}

TEST_F(DatanodeTest, AReportWhoseAnswerWasLostComesAgainUnderItsNumber) {
  ASSERT_OK_AND_ASSIGN(const auto datanode, StartAt("n1"));
  EVENTUALLY(namenode_.heartbeats() > 0);
  namenode_.LoseAnswer();
  ASSERT_OK(Write(datanode->transfer_port(), {}, Pattern(1000)));
  EVENTUALLY(namenode_.changes().size() >= 2);
  EXPECT_EQ(namenode_.changes()[0].sequence(), namenode_.changes()[1].sequence());
}

TEST_F(DatanodeTest, WritesGoOnWhileTheNamenodeIsAwayAndAreReportedLater) {
  ASSERT_OK_AND_ASSIGN(const auto datanode, StartAt("n1"));
  namenode_.Fail(absl::UnavailableError("gone"));
  ASSERT_OK(Write(datanode->transfer_port(), {}, Pattern(1000)));
  EXPECT_FALSE(namenode_.Heard(TestBlock().id, internal::FINALIZED));
  namenode_.ForgetSession();  // it comes back knowing nothing of us
  namenode_.Fail(absl::OkStatus());
  EVENTUALLY(namenode_.Heard(TestBlock().id, internal::FINALIZED));
  EXPECT_THAT(namenode_.registrations(), SizeIs(2));
}

TEST_F(DatanodeTest, StartsWithoutANamenodeButNotWithOneThatRefuses) {
  namenode_.Fail(absl::UnavailableError("gone"));
  EXPECT_OK(StartAt("n1"));
  namenode_.Fail(absl::FailedPreconditionError("cluster id A is not B"));
  EXPECT_THAT(StartAt("n1"),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("cluster id")));
}

// Wherever the start meets the disk: it is given up, and the other one serves.
TEST_F(DatanodeTest, ADiskThatHangsAtStartKeepsNoOtherFromServing) {
  ASSERT_OK(StartOn({"v1", "v2"}, PosixFileSystem()));
  namenode_.ForgetSession();
  hang_limit_ = absl::Seconds(2);
  uint64_t id = TestBlock().id;
  for (const char* const where : {"v1", "v1/current/tmp", "v1/current/rbw"}) {
    SCOPED_TRACE(where);
    testing::HangingFileSystem files(dir_.Path(where));
    files.Hang(true);
    auto datanode = StartOn({"v1", "v2"}, files);
    EXPECT_OK(datanode);
    if (datanode.ok()) {
      EXPECT_EQ(files.waiting(), 1);
      EXPECT_TRUE((*datanode)->WaitsForADisk());
      EXPECT_OK(Write((*datanode)->transfer_port(), {.id = ++id}, Pattern(1000)));
      EVENTUALLY(namenode_.Heard(id, internal::FINALIZED));
    }
    files.Hang(false);
  }
}

// By the wait for orders, not by the next heartbeat.
TEST_F(DatanodeTest, AnOrderIsCarriedOutLongBeforeTheNextHeartbeatIsDue) {
  namenode_.SetHeartbeatInterval(24 * 3600 * 1000);
  ASSERT_OK_AND_ASSIGN(const auto datanode, StartAt("n1"));
  EVENTUALLY(namenode_.heartbeats() == 1);
  for (uint64_t id = 1; id <= 2; ++id) {
    ASSERT_OK(Write(datanode->transfer_port(), {.id = id}, Pattern(1000)));
    internal::Command remove;
    internal::BlockRef* const block = remove.mutable_invalidate()->add_blocks();
    block->set_block_id(id);
    block->set_generation_stamp(1001);
    namenode_.Order(remove);
    EVENTUALLY(!datanode->store().Find(BlockId{id}).has_value());
    EVENTUALLY(namenode_.Heard(id, internal::DELETED));
  }
}

// Without waiting for the next heartbeat, and once more if that gets lost.
TEST_F(DatanodeTest, ACopyThatCannotBeMadeIsToldToTheNamenodeAtOnce) {
  namenode_.SetHeartbeatInterval(24 * 3600 * 1000);
  ASSERT_OK_AND_ASSIGN(const auto datanode, StartAt("n1"));
  EVENTUALLY(namenode_.heartbeats() == 1);
  namenode_.LoseHeartbeat();
  internal::Command copy;
  copy.mutable_replicate()->mutable_block()->set_block_id(77);  // there is no such replica
  copy.mutable_replicate()->mutable_block()->set_generation_stamp(1001);
  internal::Replicate::Target* const target = copy.mutable_replicate()->add_targets();
  target->set_datanode_uuid("dn-far");
  target->mutable_address()->set_ip("127.0.0.1");
  target->mutable_address()->set_transfer_port(1);
  namenode_.Order(copy);
  EVENTUALLY(namenode_.failed_copies().size() == 1);
  const internal::FailedCopy failed = namenode_.failed_copies()[0];
  EXPECT_EQ(failed.block_id(), 77u);
  EXPECT_EQ(failed.generation_stamp(), 1001u);
  EXPECT_THAT(failed.target_uuids(), ::testing::ElementsAre("dn-far"));
  EXPECT_NE(failed.reason(), "");

  ASSERT_OK(Write(datanode->transfer_port(), {.id = 78}, Pattern(1000)));
  copy.mutable_replicate()->mutable_block()->set_block_id(78);  // nobody listens there
  namenode_.Order(copy);
  EVENTUALLY(namenode_.failed_copies().size() == 2);
  EXPECT_EQ(namenode_.failed_copies()[1].block_id(), 78u);
}

TEST_F(DatanodeTest, ASessionThatEndsWhileItWaitsForOrdersIsBegunAnew) {
  namenode_.SetHeartbeatInterval(24 * 3600 * 1000);
  ASSERT_OK_AND_ASSIGN(const auto datanode, StartAt("n1"));
  EVENTUALLY(namenode_.heartbeats() == 1);
  namenode_.ForgetSession();
  EVENTUALLY(namenode_.registrations().size() == 2);
  internal::Command unknown;
  namenode_.Order(unknown);
  EVENTUALLY(namenode_.heartbeats() == 3);
}

// ---- report rounds by digests

class ReportRoundTest : public DatanodeTest {
 protected:
  static constexpr uint32_t kShift = 4;
  using Reply = internal::ReportDigestsReply;

  static Reply Answer(Reply::Result result, const std::vector<uint64_t>& differing = {}) {
    Reply reply;
    reply.set_result(result);
    reply.mutable_differing()->Assign(differing.begin(), differing.end());
    return reply;
  }
  // Blocks 1, 2, 17, 33 and, being written, 34. Their datanode then has to register anew.
  void StartWithReplicas(std::vector<Reply> answers) {
    ASSERT_OK_AND_ASSIGN(datanode_, StartAt("n1"));
    for (const uint64_t id : {1, 2, 17, 33}) {
      ASSERT_OK(Write(datanode_->transfer_port(), {.id = id}, Pattern(100 + id)));
      EVENTUALLY(namenode_.Heard(id, internal::FINALIZED));
    }
    LeaveOpen(*datanode_, {.id = 34}, Pattern(50));
    EVENTUALLY(namenode_.Heard(34, internal::BEING_WRITTEN));
    ASSERT_GE(namenode_.parts().size(), 1u);  // of the first session, empty
    namenode_.WantDigests(kShift, std::move(answers));
    namenode_.ForgetSession();
  }
  std::unique_ptr<Datanode> datanode_;
};

TEST_F(ReportRoundTest, WhatTheNamenodeKnowsIsNotListed) {
  StartWithReplicas({});
  EVENTUALLY(namenode_.digests().size() == 1);
  const internal::ReportDigestsRequest request = namenode_.digests()[0];
  ASSERT_EQ(request.buckets_size(), 3);
  EXPECT_EQ(request.buckets(0).replicas(), 2u);
  EXPECT_EQ(request.buckets(1).bucket(), 1u);
  const ReplicaDigest digest = ReplicaDigest::Of(BlockId{17}, GenerationStamp{1001}, 117);
  EXPECT_EQ(request.buckets(1).low(), digest.low);
  EXPECT_EQ(request.buckets(1).high(), digest.high);
  ASSERT_EQ(request.others_size(), 1) << "block 34 is not finalized, so it has no part in them";
  EXPECT_EQ(request.others(0).block().block_id(), 34u);
  EXPECT_EQ(request.others(0).state(), internal::BEING_WRITTEN);
  const int beats = namenode_.heartbeats();
  EVENTUALLY(namenode_.heartbeats() > beats);
  EXPECT_THAT(namenode_.parts(), SizeIs(1));
}

TEST_F(ReportRoundTest, BucketsThatDifferAreListed) {
  StartWithReplicas({Answer(Reply::COMPARED, {0, 2, 7})});
  EVENTUALLY(namenode_.parts().size() == 2);
  const internal::ReportReplicasRequest part = namenode_.parts()[1];
  EXPECT_TRUE(part.last());
  EXPECT_EQ(part.sequence(), namenode_.digests()[0].sequence() + 1);
  ASSERT_EQ(part.ranges_size(), 3);
  EXPECT_EQ(part.ranges(0).first(), 1u);
  EXPECT_EQ(part.ranges(0).last(), 15u);
  EXPECT_EQ(part.ranges(2).first(), 7u << kShift);
  std::vector<uint64_t> listed;
  for (const auto& replica : part.replicas()) listed.push_back(replica.block().block_id());
  EXPECT_THAT(listed, ::testing::ElementsAre(1, 2, 33, 34));
}

TEST_F(ReportRoundTest, ANamenodeThatIsNotReadyIsAskedAgainWithFreshDigests) {
  StartWithReplicas({Answer(Reply::LATER), Answer(Reply::LATER)});
  EVENTUALLY(namenode_.digests().size() == 3);
  EXPECT_EQ(namenode_.digests()[2].sequence(), namenode_.digests()[1].sequence() + 1);
  EXPECT_THAT(namenode_.parts(), SizeIs(1));
}

TEST_F(ReportRoundTest, AListOfEverythingIsSentWhenItIsWanted) {
  StartWithReplicas({Answer(Reply::LIST)});
  EVENTUALLY(namenode_.parts().size() == 2);
  EXPECT_EQ(namenode_.parts()[1].replicas_size(), 5);
  EXPECT_EQ(namenode_.parts()[1].ranges_size(), 0);
  datanode_->session().TriggerReport(/*full=*/true);
  EVENTUALLY(namenode_.parts().size() == 3);
  EXPECT_THAT(namenode_.digests(), SizeIs(1));
}

TEST_F(ReportRoundTest, RoundsAreMadeAgainAndAgain) {
  report_interval_ = absl::Milliseconds(20);
  StartWithReplicas({});
  EVENTUALLY(namenode_.digests().size() >= 3);
}

TEST_F(DatanodeTest, OrdersToDeleteAndTruncateAreCarriedOut) {
  ASSERT_OK_AND_ASSIGN(const auto datanode, StartAt("n1"));
  const std::string data = Pattern(5000);
  ASSERT_OK(Write(datanode->transfer_port(), {.id = 1}, data));
  ASSERT_OK(Write(datanode->transfer_port(), {.id = 2}, data));
  internal::Command remove;
  internal::BlockRef* const block = remove.mutable_invalidate()->add_blocks();
  block->set_block_id(1);
  block->set_generation_stamp(1001);
  namenode_.Order(remove);
  internal::Command cut;
  cut.mutable_truncate()->mutable_block()->set_block_id(2);
  cut.mutable_truncate()->mutable_block()->set_generation_stamp(1001);
  cut.mutable_truncate()->set_new_generation_stamp(1002);
  cut.mutable_truncate()->set_new_length(777);
  namenode_.Order(cut);
  EVENTUALLY(namenode_.Heard(1, internal::DELETED));
  EVENTUALLY(datanode->store().Find(BlockId{2})->stamp == GenerationStamp{1002});
  EXPECT_THAT(TransferClient(datanode->transfer_port()).ReadBlock({.id = 2, .stamp = 1002}, 0, 777),
              IsOkAndHolds(Eq(data.substr(0, 777))));
}

// With the scanner, which reads the medium, and without it.
TEST_F(DatanodeTest, ADoubtedReplicaIsLookedAtAndReportedIfItIsBadOrNotThere) {
  for (const bool scans : {true, false}) {
    SCOPED_TRACE(scans);
    if (!scans) scan_.pace.period = absl::ZeroDuration();
    const std::string name = scans ? "n1" : "n2";
    const uint64_t good = scans ? 1 : 11, bad = scans ? 2 : 12, absent = scans ? 3 : 13;
    ASSERT_OK_AND_ASSIGN(const auto datanode, StartAt(name));
    const std::string data = Pattern(5000);
    for (const uint64_t id : {good, bad}) {
      ASSERT_OK(Write(datanode->transfer_port(), {.id = id}, data));
      EVENTUALLY(namenode_.Heard(id, internal::FINALIZED));
    }
    Volume& volume = datanode->store().VolumeAt(0);
    const std::string file =
        absl::StrCat(volume.FinalizedDirectory(BlockId{bad}), "/", DataFileName(BlockId{bad}));
    std::string rotten = data;
    rotten[4321] ^= 1;
    ASSERT_OK(PosixFileSystem().WriteDurably(file, rotten));
    for (const uint64_t id : {good, bad, absent}) {
      internal::Command doubt;
      doubt.mutable_verify()->mutable_block()->set_block_id(id);
      doubt.mutable_verify()->mutable_block()->set_generation_stamp(1001);
      namenode_.Order(doubt);
    }
    EVENTUALLY(namenode_.Heard(bad, internal::CORRUPT));
    EVENTUALLY(namenode_.Heard(absent, internal::DELETED));
    EXPECT_FALSE(namenode_.Heard(good, internal::CORRUPT));
    EXPECT_FALSE(namenode_.Heard(good, internal::DELETED));
    EXPECT_EQ(datanode->store().Find(BlockId{good})->state, ReplicaState::kFinalized);
  }
}

// A namenode that was restarted has forgotten what it ordered, and chooses anew from what is here.
TEST_F(DatanodeTest, DeletionsOrderedInAnEarlierSessionAreNotCarriedOut) {
  class GatedFileSystem final : public FileSystemWrapper {
   public:
    absl::Status Remove(const std::string& path) override {
      if (absl::StrContains(path, "/finalized/")) {
        ++waiting;
        gate.WaitForNotification();
      }
      return FileSystemWrapper::Remove(path);
    }
    std::atomic<int> waiting = 0;
    absl::Notification gate;
  };
  GatedFileSystem files;
  ASSERT_OK_AND_ASSIGN(auto datanode, StartAt("n1", files));
  for (uint64_t id = 1; id <= 4; ++id) {
    ASSERT_OK(Write(datanode->transfer_port(), {.id = id}, Pattern(1000)));
  }
  // Two threads are in the middle of a deletion, each with one more to do.
  for (const auto& ids : {std::pair(1, 3), {2, 4}}) {
    internal::Command remove;
    for (const int id : {ids.first, ids.second}) {
      internal::BlockRef* const block = remove.mutable_invalidate()->add_blocks();
      block->set_block_id(static_cast<uint64_t>(id));
      block->set_generation_stamp(1001);
    }
    namenode_.Order(remove);
  }
  EVENTUALLY(files.waiting == 2);
  namenode_.ForgetSession();
  EVENTUALLY(namenode_.registrations().size() == 2);
  files.gate.Notify();
  EVENTUALLY(namenode_.Heard(1, internal::DELETED) && namenode_.Heard(2, internal::DELETED));
  datanode.reset();  // ends what its threads were given
  ASSERT_OK_AND_ASSIGN(datanode, StartAt("n1"));
  EXPECT_FALSE(datanode->store().Find(BlockId{1}).has_value());
  EXPECT_TRUE(datanode->store().Find(BlockId{3}).has_value());
  EXPECT_TRUE(datanode->store().Find(BlockId{4}).has_value());
}

TEST_F(DatanodeTest, BlockRecoveryMakesReplicasOfTwoNodesEqual) {
  ASSERT_OK_AND_ASSIGN(const auto one, StartAt("n1"));
  ASSERT_OK_AND_ASSIGN(const auto two, StartAt("n2"));
  const TestBlock block;
  const std::string data = Pattern(2000);
  LeaveOpen(*one, block, data);
  LeaveOpen(*two, block, absl::string_view(data).substr(0, 1500));
  internal::RecoverBlock order;
  order.mutable_block()->set_block_id(block.id);
  order.mutable_block()->set_generation_stamp(block.stamp);
  order.set_new_generation_stamp(1020);
  *order.add_replicas() = TargetOf(*one, 0);
  *order.add_replicas() = TargetOf(*two, 1);
  internal::Command command;
  *command.mutable_recover() = order;
  // The fake gives it to whoever beats next, which thereby is the primary.
  namenode_.Order(command);
  for (Datanode* datanode : {one.get(), two.get()}) {
    EVENTUALLY(datanode->store().Find(BlockId{block.id})->state == ReplicaState::kFinalized);
    EXPECT_THAT(TransferClient(datanode->transfer_port())
                    .ReadBlock({.id = block.id, .stamp = 1020}, 0, 1500),
                IsOkAndHolds(Eq(data.substr(0, 1500))));
  }
}

TEST_F(DatanodeTest, TheRpcPortTellsTheVisibleLength) {
  ASSERT_OK_AND_ASSIGN(const auto datanode, StartAt("n1"));
  LeaveOpen(*datanode, {}, Pattern(1234));
  IoThreads threads(1, "client");
  rpc::RpcClient client({.host = "127.0.0.1",
                         .port = datanode->ipc_port(),
                         .protocol = std::string(kClientDatanodeProtocol),
                         .user = "reader"},
                        threads);
  hdfs::GetReplicaVisibleLengthRequestProto request;
  *request.mutable_block() = TestBlock().ToProto();
  hdfs::GetReplicaVisibleLengthResponseProto response;
  ASSERT_OK(client.Call("getReplicaVisibleLength", request, &response));
  EXPECT_EQ(response.length(), 1234u);
  request.mutable_block()->set_blockid(99);
  EXPECT_THAT(client.Call("getReplicaVisibleLength", request, &response),
              IsFsError(FsError::kReplicaNotFound));
  *request.mutable_block() = TestBlock().ToProto();
  request.mutable_block()->set_poolid("BP-of-another-cluster");
  EXPECT_THAT(client.Call("getReplicaVisibleLength", request, &response),
              IsFsError(FsError::kReplicaNotFound));
  hdfs::GetDatanodeInfoResponseProto info;
  EXPECT_OK(client.Call("getDatanodeInfo", hdfs::GetDatanodeInfoRequestProto(), &info));
  hdfs::ShutdownDatanodeRequestProto shut_down;
  shut_down.set_forupgrade(false);
  hdfs::ShutdownDatanodeResponseProto ignored;
  EXPECT_THAT(client.Call("shutdownDatanode", shut_down, &ignored),
              IsFsError(FsError::kAccessControl));
  EXPECT_THAT(client.Call("cancelDiskBalancerPlan", shut_down, &ignored),
              IsFsError(FsError::kNoSuchMethod));
}

TEST_F(DatanodeTest, TheRpcPortTakesNoRequestThatIsMuchLongerThanAnyNeeds) {
  ASSERT_OK_AND_ASSIGN(const auto datanode, StartAt("n1"));
  IoThreads threads(1, "client");
  rpc::RpcClient client({.host = "127.0.0.1",
                         .port = datanode->ipc_port(),
                         .protocol = std::string(kClientDatanodeProtocol),
                         .user = "reader",
                         .retry_time = absl::ZeroDuration()},
                        threads);
  hdfs::GetReplicaVisibleLengthRequestProto request;
  *request.mutable_block() = TestBlock().ToProto();
  hdfs::GetReplicaVisibleLengthResponseProto response;
  request.mutable_block()->set_poolid(std::string(60 << 10, 'x'));
  const absl::Status answered = client.Call("getReplicaVisibleLength", request, &response);
  EXPECT_THAT(answered, IsFsError(FsError::kReplicaNotFound));
  EXPECT_LT(answered.message().size(), 1000u);
  request.mutable_block()->set_poolid(std::string(64 << 10, 'x'));
  const absl::Status refused =
      client.Call("getReplicaVisibleLength", request, &response, {.timeout = absl::Seconds(10)});
  EXPECT_FALSE(refused.ok());
  EXPECT_NE(GetFsError(refused), FsError::kReplicaNotFound);
}

}  // namespace
}  // namespace cairn::datanode
