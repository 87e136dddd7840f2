// Writing and reading against datanodes that fail on request.
#include <thread>

#include "client/block_writer.h"
#include "client/pipeline.h"
#include "client/testing/streams_fixture.h"
#include "common/testing/eventually.h"

namespace cairn::client {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::Ge;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST_F(StreamsTest, FilesOfEveryLengthComeBackAsTheyWere) {
  for (size_t size : {size_t{0}, size_t{1}, size_t{511}, size_t{512}, size_t{513}, size_t{65536},
                      kBlockBytes - 1, kBlockBytes, kBlockBytes + 1, kBlockBytes * 5 / 2}) {
    const std::string data = RandomBytes(size);
    ASSERT_OK(WriteFile("/f", data));
    EXPECT_EQ(cluster_.Contents("/f"), data) << size;
    EXPECT_THAT(ReadFile("/f"), IsOkAndHolds(data)) << size;
  }
}

TEST_F(StreamsTest, AnHflushSendsAStartedChunkAgainWithWhatFollows) {
  const std::string data = RandomBytes(3000);
  ASSERT_OK_AND_ASSIGN(auto out, fs_->Create("/f"));
  for (size_t at = 0; at < data.size(); at += 100) {
    ASSERT_OK(out->Write(absl::string_view(data).substr(at, 100)));
    ASSERT_OK(out->Hflush());
  }
  EXPECT_EQ(cluster_.Calls("fsync"), 1);
  ASSERT_OK(out->Close());
  EXPECT_EQ(cluster_.Contents("/f"), data);
}

// Where nothing was written there is no replica yet; where something was, it must not be left out.
TEST_F(StreamsTest, AnOpenFileWhoseReplicasAreGoneIsNotReadShort) {
  ASSERT_OK(WriteFile("/f", RandomBytes(kBlockBytes + 1000)));
  cluster_.LoseOpenTail("/f", 0);
  ASSERT_OK_AND_ASSIGN(const auto in, fs_->Open("/f"));
  EXPECT_EQ(in->length(), kBlockBytes);
  cluster_.LoseOpenTail("/f", 1000);
  EXPECT_THAT(fs_->Open("/f"),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("Cannot obtain block length")));
}

TEST_F(StreamsTest, ABlockEndsWhereTheWriterSaysSo) {
  const std::string data = RandomBytes(kBlockBytes + 5000);
  ASSERT_OK_AND_ASSIGN(auto out, fs_->Create("/f"));
  ASSERT_OK(out->EndBlock()) << "of nothing: no block is made";
  const absl::string_view text = data;
  ASSERT_OK(out->Write(text.substr(0, 700)));
  ASSERT_OK(out->EndBlock());
  ASSERT_OK(out->EndBlock());
  ASSERT_OK(out->Write(text.substr(700, 300)));
  ASSERT_OK(out->Hflush());
  ASSERT_OK(out->EndBlock());
  ASSERT_OK(out->Write(text.substr(1000)));
  ASSERT_OK(out->Close());
  EXPECT_EQ(cluster_.BlockCount("/f"), 4u);
  EXPECT_EQ(cluster_.Contents("/f"), data);
  EXPECT_THAT(ReadFile("/f"), IsOkAndHolds(data));
}

TEST_F(StreamsTest, BlocksAreSyncedAtTheirEndAfterAnHsync) {
  ASSERT_OK_AND_ASSIGN(auto out, fs_->Create("/f"));
  ASSERT_OK(out->Write(RandomBytes(kBlockBytes + 1)));
  ASSERT_OK(out->Hsync());
  ASSERT_OK(out->Write(RandomBytes(kBlockBytes)));
  ASSERT_OK(out->Close());
  EXPECT_THAT(cluster_.SyncedAtEnd("/f"), ElementsAre(false, true, true));
}

TEST_F(StreamsTest, WhoAsksForItHasEveryBlockSyncedAtItsEnd) {
  ClientOptions options = Options();
  options.sync_blocks = true;
  fs_ = cluster_.Connect(options);
  ASSERT_OK_AND_ASSIGN(auto out, fs_->Create("/f"));
  ASSERT_OK(out->Write(RandomBytes(kBlockBytes + 1)));
  ASSERT_OK(out->Hsync());
  ASSERT_OK(out->Close());
  ASSERT_OK_AND_ASSIGN(out, fs_->Append("/f", {.new_block = true}));
  ASSERT_OK(out->Write("short"));
  ASSERT_OK(out->Close());
  EXPECT_THAT(cluster_.SyncedAtEnd("/f"), ElementsAre(true, true, true));
}

TEST_F(StreamsTest, AnAppendInsideAChunkGoesOnThere) {
  const std::string data = RandomBytes(5000);
  ASSERT_OK(WriteFile("/f", data.substr(0, 700)));
  ASSERT_OK_AND_ASSIGN(auto out, fs_->Append("/f"));
  EXPECT_EQ(out->position(), 700);
  ASSERT_OK(out->Write(data.substr(700, 50)));
  ASSERT_OK(out->Hflush());
  ASSERT_OK(out->Write(data.substr(750)));
  ASSERT_OK(out->Close());
  EXPECT_EQ(cluster_.Contents("/f"), data);
}

// A node that fails before anything was promised costs no replica: the block is written elsewhere.
TEST_F(StreamsTest, ANodeThatRefusesIsReplacedByAnother) {
  cluster_.RefuseSetUp(1);
  const std::string data = RandomBytes(1000);
  ASSERT_OK(WriteFile("/f", data));
  EXPECT_EQ(cluster_.Contents("/f"), data);
  EXPECT_EQ(cluster_.Replicas("/f", 0), 3);
  EXPECT_EQ(cluster_.Calls("abandonBlock"), 1);
  EXPECT_EQ(cluster_.Calls("updatePipeline"), 0);
}

TEST_F(StreamsTest, ANodeThatDiesEarlyInABlockIsReplacedByAnother) {
  cluster_.DieAfterBytes(2, 100'000);
  const std::string data = RandomBytes(200'000);
  ASSERT_OK(WriteFile("/f", data));
  EXPECT_EQ(cluster_.Contents("/f"), data);
  EXPECT_EQ(cluster_.Replicas("/f", 0), 3);
  EXPECT_EQ(cluster_.Calls("abandonBlock"), 1);
}

TEST_F(StreamsTest, ANodeThatDiesLaterIsDroppedAndTheRestGoOn) {
  cluster_.DieAfterBytes(0, 900'000);
  const std::string data = RandomBytes(kBlockBytes + 1000);
  ASSERT_OK(WriteFile("/f", data));
  EXPECT_EQ(cluster_.Contents("/f"), data);
  EXPECT_EQ(cluster_.Replicas("/f", 0), 2);
  EXPECT_EQ(cluster_.Replicas("/f", 1), 3);
  EXPECT_EQ(cluster_.Calls("updatePipeline"), 1);
}

// What was flushed stays in the block that readers have seen.
TEST_F(StreamsTest, AfterAnHflushTheBlockIsNotWrittenAnew) {
  cluster_.DieAfterBytes(1, 2000);
  const std::string data = RandomBytes(4000);
  ASSERT_OK_AND_ASSIGN(auto out, fs_->Create("/f"));
  ASSERT_OK(out->Write(data.substr(0, 1000)));
  ASSERT_OK(out->Hflush());
  ASSERT_OK(out->Write(data.substr(1000)));
  ASSERT_OK(out->Close());
  EXPECT_EQ(cluster_.Contents("/f"), data);
  EXPECT_EQ(cluster_.Calls("abandonBlock"), 0);
  EXPECT_EQ(cluster_.Calls("updatePipeline"), 1);
}

// A long stream must not run out of nodes because each had its bad moment.
TEST_F(StreamsTest, ANodeThatFailedIsTriedAgainAfterAWhile) {
  fs_ = cluster_.Connect(Options(), clock_);
  cluster_.RefuseSetUp(0);
  cluster_.RefuseSetUp(1);
  const std::string data = RandomBytes(3 * kBlockBytes);
  ASSERT_OK_AND_ASSIGN(auto out, fs_->Create("/f"));
  ASSERT_OK(out->Write(data.substr(0, kBlockBytes)));
  cluster_.AllowSetUp(0);
  cluster_.AllowSetUp(1);
  clock_.Advance(Options().excluded_node_expiry - absl::Milliseconds(1));
  ASSERT_OK(out->Write(data.substr(kBlockBytes, kBlockBytes)));
  clock_.Advance(absl::Milliseconds(1));
  ASSERT_OK(out->Write(data.substr(2 * kBlockBytes)));
  ASSERT_OK(out->Close());
  EXPECT_EQ(cluster_.Contents("/f"), data);
  EXPECT_EQ(cluster_.Replicas("/f", 0), 2);
  EXPECT_EQ(cluster_.Replicas("/f", 1), 2);
  EXPECT_EQ(cluster_.Replicas("/f", 2), 3);
}

TEST_F(StreamsTest, AfterAnHflushALostNodeIsReplacedWithACopy) {
  cluster_.DieAfterBytes(1, 2000);
  const std::string data = RandomBytes(4000);
  ASSERT_OK_AND_ASSIGN(auto out, fs_->Create("/f"));
  ASSERT_OK(out->Write(data.substr(0, 1000)));
  ASSERT_OK(out->Hflush());
  ASSERT_OK(out->Write(data.substr(1000)));
  ASSERT_OK(out->Hflush());
  ASSERT_OK(out->Close());
  EXPECT_EQ(cluster_.Contents("/f"), data);
  EXPECT_EQ(cluster_.Replicas("/f", 0), 3);
  EXPECT_TRUE(cluster_.ReplicasAgree("/f"));
  EXPECT_EQ(cluster_.Calls("getAdditionalDatanode"), 1);
}

TEST_F(StreamsTest, WithoutAnotherNodeTheRestGoOnUnlessToldNotTo) {
  const std::string data = RandomBytes(4000);
  for (bool best_effort : {true, false}) {
    FakeCluster cluster(4);
    cluster.RefuseCopies(3);
    cluster.DieAfterBytes(1, 2000);
    ClientOptions options = Options();
    options.replace_node_best_effort = best_effort;
    const auto fs = cluster.Connect(options);
    ASSERT_OK_AND_ASSIGN(auto out, fs->Create("/f"));
    ASSERT_OK(out->Write(data.substr(0, 1000)));
    ASSERT_OK(out->Hflush());
    ASSERT_OK(out->Write(data.substr(1000)));
    EXPECT_EQ(out->Hflush().ok(), best_effort);
    EXPECT_EQ(out->Close().ok(), best_effort);
    EXPECT_EQ(cluster.Calls("getAdditionalDatanode"), 2);  // the one node, then none
    if (best_effort) {
      EXPECT_EQ(cluster.Contents("/f"), data);
      EXPECT_EQ(cluster.Replicas("/f", 0), 2);
    }
  }
}

TEST(WantsAnotherNodeTest, ByDefaultWhenHalfAreLostOrBytesWerePromised) {
  const auto wants = [](size_t replication, size_t nodes, bool promised) {
    return WantsAnotherNode(ReplaceNode::kDefault, replication, nodes, promised);
  };
  EXPECT_FALSE(wants(3, 3, true));
  EXPECT_FALSE(wants(3, 2, false));
  EXPECT_TRUE(wants(3, 2, true));
  EXPECT_TRUE(wants(3, 1, false));
  EXPECT_FALSE(wants(5, 3, false));
  EXPECT_TRUE(wants(5, 2, false));
  EXPECT_FALSE(wants(2, 1, true));
  EXPECT_TRUE(WantsAnotherNode(ReplaceNode::kAlways, 2, 1, false));
  EXPECT_FALSE(WantsAnotherNode(ReplaceNode::kNever, 3, 1, true));
}

// Otherwise the file would be this client's for as long as it writes anything at all.
TEST_F(StreamsTest, AnAppendThatCannotBeginGivesTheFileBack) {
  ASSERT_OK(WriteFile("/f", "begun"));
  for (int node = 0; node < 4; ++node) cluster_.RefuseSetUp(node);
  EXPECT_FALSE(fs_->Append("/f").ok());
  EXPECT_EQ(cluster_.Calls("recoverLease"), 1);
  for (int node = 0; node < 4; ++node) cluster_.AllowSetUp(node);
  ASSERT_OK_AND_ASSIGN(auto out, fs_->Append("/f"));
  ASSERT_OK(out->Write(", written on"));
  ASSERT_OK(out->Close());
  EXPECT_EQ(cluster_.Contents("/f"), "begun, written on");
}

TEST_F(StreamsTest, AnAppendInANewBlockLeavesTheLastOneShort) {
  const std::string data = RandomBytes(1500);
  ASSERT_OK(WriteFile("/f", data.substr(0, 700)));
  ASSERT_OK_AND_ASSIGN(auto out, fs_->Append("/f", {.new_block = true}));
  ASSERT_OK(out->Write(data.substr(700)));
  ASSERT_OK(out->Close());
  EXPECT_EQ(cluster_.Contents("/f"), data);
  EXPECT_EQ(cluster_.BlockCount("/f"), 2);
}

TEST_F(StreamsTest, WhenNoNodeIsLeftTheErrorNamesTheFileAndStays) {
  for (int node = 0; node < 4; ++node) cluster_.RefuseSetUp(node);
  ASSERT_OK_AND_ASSIGN(auto out, fs_->Create("/f"));
  const absl::Status first = out->Write("x");
  EXPECT_THAT(first.message(), HasSubstr("/f"));
  EXPECT_EQ(out->Write("y"), first);
  EXPECT_EQ(out->Close(), first);
}

// The namenode's refusal of another node says nothing of the one that failed.
TEST_F(StreamsTest, WhenNoNodeIsLeftTheErrorTellsWhatTheLastOneSaid) {
  ClientOptions options = Options();
  options.block_write_retries = 10;  // so that it is the namenode that gives up
  fs_ = cluster_.Connect(options);
  for (int node = 0; node < 4; ++node) cluster_.RefuseSetUp(node);
  ASSERT_OK_AND_ASSIGN(auto out, fs_->Create("/f"));
  const absl::Status status = out->Write("x");
  EXPECT_THAT(status, IsFsError(FsError::kIo));
  EXPECT_THAT(status.message(),
              AllOf(HasSubstr("no datanode is left"), HasSubstr("setting up a pipeline for block"),
                    HasSubstr("refused for a test")));
}

// The first node waits longer than the socket time-out for those behind it, and knows which failed.
TEST_F(StreamsTest, ANodeThatWaitsForASilentOneAtSetUpIsNotBlamed) {
  ClientOptions options = Options();
  options.read_timeout = absl::Milliseconds(50);
  fs_ = cluster_.Connect(options);
  cluster_.LastNodeSilentAtSetUp(0, absl::Milliseconds(200));
  const std::string data = RandomBytes(1000);
  ASSERT_OK(WriteFile("/f", data));
  EXPECT_EQ(cluster_.Contents("/f"), data);
  EXPECT_THAT(cluster_.ReplicaNodes("/f", 0), ElementsAre(0, 1, 3));
}

TEST(PipelineTimeoutTest, EveryNodeAddsFiveSecondsUnlessThereIsNoLimit) {
  ClientOptions options;
  options.read_timeout = absl::Seconds(60);
  EXPECT_EQ(PipelineTimeout(options, 3), absl::Seconds(75));
  EXPECT_EQ(PipelineHeartbeatAfter(options), absl::Seconds(30));
  options.read_timeout = absl::Seconds(10);
  EXPECT_EQ(PipelineHeartbeatAfter(options), absl::Seconds(5));
  options.read_timeout = absl::InfiniteDuration();
  EXPECT_EQ(PipelineTimeout(options, 3), absl::InfiniteDuration());
  EXPECT_EQ(PipelineHeartbeatAfter(options), absl::Seconds(30));
}

// The acknowledgement that names node 2 has arrived when the send fails.
TEST_F(StreamsTest, TheNodeThatAnAcknowledgementNamesIsToBlameForAFailedSend) {
  cluster_.DieAfterBytes(2, 1000);
  const std::string data = RandomBytes(300'000);
  cluster_.HoldPackets(true);
  ASSERT_OK_AND_ASSIGN(auto out, fs_->Create("/f"));
  ASSERT_OK(out->Write(data.substr(0, 200'000)));
  cluster_.HoldPackets(false);
  EVENTUALLY(cluster_.ClosedConnections() == 1);
  ASSERT_OK(out->Write(data.substr(200'000)));
  ASSERT_OK(out->Close());
  EXPECT_EQ(cluster_.Contents("/f"), data);
  EXPECT_THAT(cluster_.ReplicaNodes("/f", 0), ElementsAre(0, 1, 3));
}

// More than the sockets hold is written and the application then does something else.
TEST_F(StreamsTest, WhatTheSocketDidNotTakeGoesOutWithoutAnotherCall) {
  ClientOptions options = Options();
  options.block_bytes = 64 << 20;
  options.write_window_bytes = 32 << 20;
  fs_ = cluster_.Connect(options);
  cluster_.HoldPackets(true);
  const std::string data = RandomBytes(12 << 20);
  ASSERT_OK_AND_ASSIGN(auto out, fs_->Create("/f"));
  ASSERT_OK(out->Write(data));
  cluster_.HoldPackets(false);
  EVENTUALLY(cluster_.BytesReceived("/f") == data.size());
  ASSERT_OK(out->Close());
  EXPECT_EQ(cluster_.Contents("/f"), data);
}

TEST_F(StreamsTest, AnIdleStreamSendsHeartbeats) {
  ClientOptions options = Options();
  options.read_timeout = absl::Milliseconds(40);
  fs_ = cluster_.Connect(options);
  const std::string data = RandomBytes(200'000);
  ASSERT_OK_AND_ASSIGN(auto out, fs_->Create("/f"));
  ASSERT_OK(out->Write(data.substr(0, 100'000)));
  ASSERT_OK(out->Hflush());
  EVENTUALLY(cluster_.Heartbeats() >= 3);
  ASSERT_OK(out->Write(data.substr(100'000)));
  ASSERT_OK(out->Close());
  EXPECT_EQ(cluster_.Contents("/f"), data);
  EXPECT_EQ(cluster_.Calls("updatePipeline"), 0);
}

// Nothing is overdue just because nothing was written for long.
TEST_F(StreamsTest, TheTimeOfAnAcknowledgementBeginsWhenItsPacketIsSent) {
  fs_ = cluster_.Connect(Options(), clock_);
  const std::string data = RandomBytes(2000);
  ASSERT_OK_AND_ASSIGN(auto out, fs_->Create("/f"));
  ASSERT_OK(out->Write(data.substr(0, 1000)));
  ASSERT_OK(out->Hflush());
  clock_.Advance(absl::Hours(1));
  ASSERT_OK(out->Write(data.substr(1000)));
  ASSERT_OK(out->Hflush());
  ASSERT_OK(out->Close());
  EXPECT_EQ(cluster_.Contents("/f"), data);
  EXPECT_EQ(cluster_.Calls("updatePipeline"), 0);
}

// ---- silent, slow and restarting nodes

TEST_F(StreamsTest, ANodeThatFallsSilentIsReplacedLongBeforeTheSocketTimeout) {
  ClientOptions options = Options();
  options.silence_limit = absl::Milliseconds(300);
  fs_ = cluster_.Connect(options);
  cluster_.GiveSigns();
  const std::string data = RandomBytes(200'000);
  ASSERT_OK_AND_ASSIGN(auto out, fs_->Create("/f"));
  ASSERT_OK(out->Write(data.substr(0, 100'000)));
  ASSERT_OK(out->Hflush());
  cluster_.Stop(0);
  ASSERT_OK(out->Write(data.substr(100'000)));
  ASSERT_OK(out->Close());
  EXPECT_EQ(cluster_.Contents("/f"), data);
  EXPECT_THAT(cluster_.ReplicaNodes("/f", 0), ElementsAre(1, 2, 3));
}

// Nobody has told yet whether this cluster's nodes give signs.
TEST_F(StreamsTest, ANodeThatIsSilentFromTheStartIsReplacedAsSoon) {
  ClientOptions options = Options();
  options.silence_limit = absl::Milliseconds(300);
  fs_ = cluster_.Connect(options);
  cluster_.GiveSigns();
  cluster_.Stop(0);
  const std::string data = RandomBytes(1000);
  ASSERT_OK(WriteFile("/f", data));
  EXPECT_THAT(cluster_.ReplicaNodes("/f", 0), ElementsAre(1, 2, 3));
}

TEST_F(StreamsTest, ANodeThatIsSlowButGivesSignsIsWaitedFor) {
  ClientOptions options = Options();
  options.silence_limit = absl::Milliseconds(300);
  fs_ = cluster_.Connect(options);
  cluster_.GiveSigns();
  const std::string data = RandomBytes(1000);
  ASSERT_OK_AND_ASSIGN(auto out, fs_->Create("/f"));
  ASSERT_OK(out->Write(data));
  cluster_.HoldPackets(true);
  std::thread releases([this] {
    EVENTUALLY(cluster_.Signs() >= 40);  // of 20 ms each, at least
    cluster_.HoldPackets(false);
  });
  const absl::Status closed = out->Close();
  releases.join();
  ASSERT_OK(closed);
  EXPECT_EQ(cluster_.Contents("/f"), data);
  EXPECT_EQ(cluster_.Calls("abandonBlock"), 0);
}

// Alone there is nothing to be won by giving it up.
TEST(SilenceLimitTest, TheOnlyNodeIsWaitedForAsLongAsHdfsClientsWait) {
  ClientOptions options;
  EXPECT_EQ(SilenceLimit(options, 3), absl::Seconds(6));
  EXPECT_EQ(SilenceLimit(options, 1), absl::Seconds(65));
  options.silence_limit = absl::ZeroDuration();
  EXPECT_EQ(SilenceLimit(options, 3), absl::Seconds(75));
}

TEST_F(StreamsTest, TheOnlyNodeIsWaitedForWhenItRestarts) {
  ClientOptions options = Options();
  options.replication = 1;
  fs_ = cluster_.Connect(options);
  const std::string data = RandomBytes(200'000);
  ASSERT_OK_AND_ASSIGN(auto out, fs_->Create("/f"));
  ASSERT_OK(out->Write(data.substr(0, 100'000)));
  ASSERT_OK(out->Hflush());
  const int node = cluster_.ReplicaNodes("/f", 0)[0];
  cluster_.AnnounceRestart(node);
  ASSERT_OK(out->Write(data.substr(100'000)));
  ASSERT_OK(out->Close());
  EXPECT_EQ(cluster_.Contents("/f"), data);
  EXPECT_THAT(cluster_.ReplicaNodes("/f", 0), ElementsAre(node));
  EXPECT_EQ(cluster_.Calls("updatePipeline"), 1);
}

// Finished or being written, an unacknowledged block cannot be gone on with. Its data are all here.
TEST_F(StreamsTest, ABlockWhoseOnlyNodeRestartsWhileItClosesIsWrittenThereAnew) {
  ClientOptions options = Options();
  options.replication = 1;
  fs_ = cluster_.Connect(options);
  cluster_.RestartAtClose(0);
  const std::string data = RandomBytes(200'000);
  ASSERT_OK(WriteFile("/f", data));
  EXPECT_EQ(cluster_.Contents("/f"), data);
  EXPECT_THAT(cluster_.ReplicaNodes("/f", 0), ElementsAre(0));
  EXPECT_EQ(cluster_.Calls("abandonBlock"), 1);
}

TEST_F(StreamsTest, ABlockWhoseFirstNodeRestartsWhileItClosesIsWrittenElsewhere) {
  cluster_.RestartAtClose(0);
  const std::string data = RandomBytes(200'000);
  ASSERT_OK(WriteFile("/f", data));
  EXPECT_EQ(cluster_.Contents("/f"), data);
  EXPECT_THAT(cluster_.ReplicaNodes("/f", 0), ElementsAre(1, 2, 3));
}

class SlowNodeTest : public StreamsTest {
 protected:
  // Writes ten packets a second for so long, and closes the file.
  void WriteFor(int seconds, FakeCluster& cluster) {
    ClientOptions options = Options();
    options.slow_node_seconds = 3;
    fs_ = cluster.Connect(options, clock_);
    const std::string data = RandomBytes(static_cast<size_t>(seconds) * 10 * 700);
    ASSERT_OK_AND_ASSIGN(auto out, fs_->Create("/f"));
    for (size_t at = 0; at < data.size(); at += 700) {
      ASSERT_OK(out->Write(absl::string_view(data).substr(at, 700)));
      ASSERT_OK(out->Hflush());
      clock_.Advance(absl::Milliseconds(100));
    }
    ASSERT_OK(out->Close());
    EXPECT_EQ(cluster.Contents("/f"), data);
    EXPECT_TRUE(cluster.ReplicasAgree("/f"));
  }
};

TEST_F(SlowNodeTest, ItsPlaceGoesToAnotherWithACopy) {
  cluster_.TakeTime(1, absl::Milliseconds(500));
  WriteFor(6, cluster_);
  EXPECT_THAT(cluster_.ReplicaNodes("/f", 0), ElementsAre(0, 2, 3));
}

TEST_F(SlowNodeTest, WithoutAnotherItStays) {
  FakeCluster three(3);
  three.TakeTime(1, absl::Milliseconds(500));
  WriteFor(6, three);
  EXPECT_THAT(three.ReplicaNodes("/f", 0), ElementsAre(0, 1, 2));
  EXPECT_EQ(three.Calls("updatePipeline"), 0);
  fs_.reset();
}

TEST_F(StreamsTest, AnAcknowledgementOutOfTurnIsAFailureOfThatNode) {
  cluster_.AckOutOfTurn(0);
  const std::string data = RandomBytes(1000);
  ASSERT_OK(WriteFile("/f", data));
  EXPECT_EQ(cluster_.Contents("/f"), data);
}

TEST_F(StreamsTest, ABadChecksumIsReportedAndTheNextReplicaRead) {
  const std::string data = RandomBytes(300'000);
  ASSERT_OK(WriteFile("/f", data));
  cluster_.CorruptReads(0);
  EXPECT_THAT(ReadFile("/f"), IsOkAndHolds(data));
  EXPECT_THAT(cluster_.BadReplicaReports(), ElementsAre(0));
}

// A connection to a machine that is cut off is not waited for as long as one may be, while there
// are other replicas.
TEST_F(StreamsTest, ANodeThatIsCutOffIsLeftForAnotherReplica) {
  const std::string data = RandomBytes(1000);
  ASSERT_OK(WriteFile("/f", data));
  const std::vector<int> nodes = cluster_.ReplicaNodes("/f", 0);
  ASSERT_EQ(nodes.size(), 3);
  cluster_.CutOff(nodes[0]);
  cluster_.CutOff(nodes[1]);
  ClientOptions options = Options();
  options.connect_timeout = absl::Hours(1);
  options.read_connect_timeout = absl::Milliseconds(100);
  fs_ = cluster_.Connect(options);  // without connections from before
  EXPECT_THAT(ReadFile("/f"), IsOkAndHolds(data));
}

// The last one has no other behind it, and gets all the time there is.
TEST_F(StreamsTest, WhereEveryNodeIsSlowToConnectTheFullLimitCounts) {
  ASSERT_OK(WriteFile("/f", RandomBytes(1000)));
  for (int node = 0; node < 4; ++node) cluster_.CutOff(node);
  ClientOptions options = Options();
  options.connect_timeout = absl::Milliseconds(300);
  options.read_connect_timeout = absl::Milliseconds(1);
  options.read_rounds = 1;
  fs_ = cluster_.Connect(options);
  const absl::Time began = absl::Now();
  EXPECT_THAT(ReadFile("/f").status(), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_GE(absl::Now() - began, absl::Milliseconds(900));  // three nodes, in the second round
}

TEST_F(StreamsTest, WhenEveryReplicaIsBadTheReadFailsWithDataLoss) {
  ASSERT_OK(WriteFile("/f", RandomBytes(1000)));
  for (int node = 0; node < 4; ++node) cluster_.CorruptReads(node);
  EXPECT_THAT(ReadFile("/f").status(), StatusIs(absl::StatusCode::kDataLoss, HasSubstr("/f")));
  EXPECT_THAT(cluster_.Calls("getBlockLocations"), Ge(3));
}

TEST_F(StreamsTest, GarbageFromADatanodeMakesTheNextReplicaBeRead) {
  const std::string data = RandomBytes(1000);
  const std::string header("\x09\0\0\0\0\0\0\0\0\x11\0\0\0\0\0\0\0\0\x18\0\x25\0\x02\0\0", 25);
  const std::string cases[] = {
      "",                                                         // hangs up
      std::string(200, '\xff'),                                   // a packet of 4 GB
      std::string("\0\0\0\x04\0\x05", 6) + std::string(40, 'x'),  // a short header
      std::string("\0\0\0\x04\0\x19", 6) + header,  // data that is longer than its packet
      std::string("\0\0\x02\x04\0\x19", 6) + header + std::string(600, 'x'),  // no checksum
  };
  for (const std::string& garbage : cases) {
    ASSERT_OK(WriteFile("/f", data));
    cluster_.SendInsteadOfPackets(0, garbage);
    EXPECT_THAT(ReadFile("/f"), IsOkAndHolds(data)) << garbage.size();
  }
  EXPECT_THAT(cluster_.BadReplicaReports(), IsEmpty());
}

TEST_F(StreamsTest, SeveralThreadsReadAtDifferentPlaces) {
  const std::string data = RandomBytes(2 * kBlockBytes + 5000);
  ASSERT_OK(WriteFile("/f", data));
  ASSERT_OK_AND_ASSIGN(auto in, fs_->Open("/f"));
  std::vector<std::thread> threads;
  std::atomic<int> wrong = 0;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      std::mt19937 random(static_cast<unsigned>(t));
      for (int i = 0; i < 30; ++i) {
        const size_t offset = random() % data.size();
        std::string part(random() % 300'000, '\0');
        const auto bytes = in->ReadAt(offset, std::as_writable_bytes(std::span(part)));
        if (!bytes.ok() || part.substr(0, *bytes) != data.substr(offset, part.size())) ++wrong;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

TEST_F(StreamsTest, SeekGoesAnywhereUpToTheEnd) {
  const std::string data = RandomBytes(kBlockBytes + 5000);
  ASSERT_OK(WriteFile("/f", data));
  ASSERT_OK_AND_ASSIGN(auto in, fs_->Open("/f"));
  for (uint64_t offset :
       {uint64_t{100}, uint64_t{5000}, kBlockBytes + 10, uint64_t{3}, uint64_t{data.size()}}) {
    ASSERT_OK(in->Seek(offset));
    std::string part(1000, '\0');
    ASSERT_OK_AND_ASSIGN(const size_t bytes,
                         in->ReadFully(std::as_writable_bytes(std::span(part))));
    EXPECT_EQ(part.substr(0, bytes), data.substr(offset, 1000));
  }
  EXPECT_THAT(in->Seek(data.size() + 1), StatusIs(absl::StatusCode::kOutOfRange));
}

TEST_F(StreamsTest, AMissingFileIsNotFound) {
  EXPECT_THAT(fs_->Open("/none").status(), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(fs_->Open("relative").status(), StatusIs(absl::StatusCode::kInvalidArgument));
}

}  // namespace
}  // namespace cairn::client
