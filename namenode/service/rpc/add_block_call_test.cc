#include "namenode/service/rpc/add_block_call.h"

#include <string>

#include "namenode/namespace/path.h"
#include "namenode/service/rpc/testing/edge_fixture.h"

namespace cairn::namenode {
namespace {

class AddBlockCallTest : public EdgeTest {
 protected:
  AddBlockCallTest() {
    AddDatanodes();
    namenode_.block.block = {BlockId{1073741825}, GenerationStamp{1003}, 0};
    namenode_.block.storages = {1, 2};
  }

  static hdfs::AddBlockRequestProto Request() {
    hdfs::AddBlockRequestProto request;
    request.set_src("/f");
    request.set_clientname("c");
    request.set_fileid(16390);
    SetBlock(*request.mutable_previous(), 7, 1002, 10);
    return request;
  }
  std::unique_ptr<FakeReply> AddBlock() { return CallLater("addBlock", Request()); }
  // The datanodes report, or do not.
  void SetMissing(bool missing) {
    namenode_.error = missing ? MakeFsError(FsError::kNotReplicatedYet, "Not replicated yet: /f")
                              : absl::Status();
  }
  static uint64_t BlockOf(const FakeReply& reply) {
    return Parse<hdfs::AddBlockResponseProto>(reply.answer()).block().b().blockid();
  }
  static std::string Asked() {
    return "AddBlock(/f, c, file=16390 previous=7_1002:10 excluded=[] favored=[] 0 0)";
  }
};

TEST_F(AddBlockCallTest, AnswersAtOnceWhenTheReplicasAreThere) {
  namenode_.ticket = 3;
  const auto reply = AddBlock();
  EXPECT_FALSE(reply->answer().deferred);
  EXPECT_EQ(BlockOf(*reply), 1073741825u);
  EXPECT_EQ(reply->answer().ticket, 3u);
  EXPECT_EQ(namenode_.calls, std::vector<std::string>{Asked()});
  EXPECT_TRUE(namenode_.on_replica == nullptr) << "nothing is made for a call that need not wait";
  EXPECT_TRUE(scheduled_.empty());
}

// Trap 27: the Go client makes an error of it, and its copy fails.
TEST_F(AddBlockCallTest, Trap27WaitsForTheReplicaAndThenAnswersWithABlock) {
  SetMissing(true);
  namenode_.ticket = 3;
  const auto reply = AddBlock();
  EXPECT_TRUE(reply->answer().deferred);
  EXPECT_FALSE(reply->answer().given);

  SetMissing(false);
  namenode_.ticket = 8;
  namenode_.on_replica();  // perhaps under the namenode's lock: only schedules
  EXPECT_FALSE(reply->answer().given);
  RunScheduled(absl::ZeroDuration());
  EXPECT_EQ(BlockOf(*reply), 1073741825u);
  EXPECT_EQ(Parse<hdfs::AddBlockResponseProto>(reply->answer()).block().locs_size(), 2);
  EXPECT_EQ(reply->answer().ticket, 8u);
  EXPECT_EQ(namenode_.last_call(), Asked());
  EXPECT_EQ(namenode_.user, "alice");
  EXPECT_EQ(namenode_.remote_ip, "10.1.2.3");
  EXPECT_EQ(namenode_.client_id, "");

  const size_t calls = namenode_.calls.size();
  namenode_.on_replica();  // later ones, and the timer, find it answered
  RunScheduled(absl::ZeroDuration());
  RunScheduled(absl::Seconds(2));
  EXPECT_EQ(namenode_.calls.size(), calls);
}

TEST_F(AddBlockCallTest, TheSecondTryAsksForAllThatTheFirstDid) {
  hdfs::AddBlockRequestProto request = Request();
  hdfs::DatanodeIDProto& node = *request.add_excludenodes()->mutable_id();
  node.set_ipaddr("10.0.0.1");
  node.set_hostname("host");
  node.set_datanodeuuid("dn-9");
  node.set_xferport(1);
  node.set_infoport(2);
  node.set_ipcport(3);
  request.add_favorednodes("host1:9866");
  request.add_flags(hdfs::ADD_BLOCK_FLAG_NO_LOCAL_WRITE);
  request.add_flags(hdfs::ADD_BLOCK_FLAG_IGNORE_CLIENT_LOCALITY);
  SetMissing(true);
  const auto reply = CallLater("addBlock", request);
  const std::function<void()> wake = namenode_.on_replica;
  request.Clear();
  const auto another = AddBlock();  // the thread's parsed request is overwritten
  EXPECT_EQ(namenode_.last_call(), Asked());
  SetMissing(false);
  wake();
  RunScheduled(absl::ZeroDuration());
  EXPECT_EQ(namenode_.last_call(),
            "AddBlock(/f, c, file=16390 previous=7_1002:10 excluded=[dn-9] favored=[host1:9866] "
            "1 1)");
  EXPECT_TRUE(reply->answer().given);
  EXPECT_FALSE(another->answer().given);
}

// Between the first try and the one that leaves a call-back.
TEST_F(AddBlockCallTest, AReportThatComesBeforeTheCallBackIsNotMissed) {
  SetMissing(true);
  namenode_.meanwhile = [&] { SetMissing(false); };
  const auto reply = AddBlock();
  EXPECT_TRUE(reply->answer().deferred);
  EXPECT_EQ(BlockOf(*reply), 1073741825u);
  EXPECT_EQ(namenode_.calls.size(), 2u);
}

TEST_F(AddBlockCallTest, SaysNotReplicatedYetWhenTheTimeIsUp) {
  SetMissing(true);
  namenode_.ticket = 3;
  const auto reply = AddBlock();
  namenode_.on_replica();
  RunScheduled(absl::ZeroDuration());  // one unit more, but not the last that is needed
  EXPECT_FALSE(reply->answer().given);
  RunScheduled(absl::Seconds(2));
  EXPECT_THAT(reply->answer().status, IsFsError(FsError::kNotReplicatedYet));
  EXPECT_EQ(reply->answer().status.message(), "Not replicated yet: /f");
  EXPECT_EQ(reply->answer().ticket, 3u);

  const size_t calls = namenode_.calls.size();
  namenode_.on_replica();  // later ones find nobody: no block is made that nobody hears of
  RunScheduled(absl::ZeroDuration());
  EXPECT_EQ(namenode_.calls.size(), calls);
}

TEST_F(AddBlockCallTest, AnErrorAtTheSecondTryIsTheAnswer) {
  SetMissing(true);
  const auto reply = AddBlock();
  namenode_.error = MakeFsError(FsError::kLeaseExpired, "gone");
  namenode_.on_replica();
  RunScheduled(absl::ZeroDuration());
  EXPECT_THAT(reply->answer().status, IsFsError(FsError::kLeaseExpired));
}

TEST_F(AddBlockCallTest, OtherErrorsAreAnsweredAtOnce) {
  namenode_.error = MakeFsError(FsError::kLeaseExpired, "not yours");
  const auto reply = AddBlock();
  EXPECT_FALSE(reply->answer().deferred);
  EXPECT_THAT(reply->answer().status, IsFsError(FsError::kLeaseExpired));
}

TEST_F(AddBlockCallTest, BeyondTheLimitNobodyWaits) {
  MakeService({.max_waiting_calls = 1});
  SetMissing(true);
  const auto first = AddBlock();
  const auto second = AddBlock();
  EXPECT_TRUE(first->answer().deferred);
  EXPECT_FALSE(second->answer().deferred);
  EXPECT_THAT(second->answer().status, IsFsError(FsError::kNotReplicatedYet));
  RunScheduled(absl::Seconds(2));  // the first has its answer: there is room again
  EXPECT_THAT(first->answer().status, IsFsError(FsError::kNotReplicatedYet));
  EXPECT_TRUE(AddBlock()->answer().deferred);
}

TEST_F(AddBlockCallTest, ARequestThatNamesTooMuchToKeepIsAnsweredAtOnce) {
  SetMissing(true);
  hdfs::AddBlockRequestProto request = Request();
  for (int i = 0; i < 20; ++i) request.add_favorednodes("host1:9866");
  EXPECT_TRUE(CallLater("addBlock", request)->answer().deferred);
  for (int i = 0; i < 1000; ++i) request.add_favorednodes("");
  const auto many = CallLater("addBlock", request);
  EXPECT_FALSE(many->answer().deferred);
  EXPECT_THAT(many->answer().status, IsFsError(FsError::kNotReplicatedYet));

  // The file's id stands in for it.
  request = Request();
  request.set_src("/" + std::string(2 * kMaxPathBytes, 'p'));
  EXPECT_FALSE(CallLater("addBlock", request)->answer().deferred);
}

// It may have asked again by another connection, and given that block back.
TEST_F(AddBlockCallTest, AClientThatIsGoneGetsNoBlock) {
  SetMissing(true);
  const auto reply = AddBlock();
  reply->CloseConnection();
  SetMissing(false);
  const size_t calls = namenode_.calls.size();
  namenode_.on_replica();
  RunScheduled(absl::ZeroDuration());
  EXPECT_EQ(namenode_.calls.size(), calls);
  RunScheduled(absl::Seconds(2));
  EXPECT_EQ(namenode_.calls.size(), calls);
}

TEST_F(AddBlockCallTest, WaitersMayOutliveTheService) {
  SetMissing(true);
  const auto reply = AddBlock();
  service_.reset();
  RunScheduled(absl::Seconds(2));
  EXPECT_THAT(reply->answer().status, IsFsError(FsError::kNotReplicatedYet));
}

// ---- what comes during a try

TEST_F(AddBlockCallTest, ABlockThatIsBeingAddedWhenTheTimeIsUpIsToldOf) {
  SetMissing(true);
  const auto reply = AddBlock();
  namenode_.meanwhile = [&] {
    RunScheduled(absl::Seconds(2));
    EXPECT_FALSE(reply->answer().given);
    SetMissing(false);
  };
  namenode_.on_replica();
  RunScheduled(absl::ZeroDuration());
  EXPECT_EQ(BlockOf(*reply), 1073741825u);
}

TEST_F(AddBlockCallTest, ATryThatFailsAfterTheTimeIsUpIsTheLast) {
  SetMissing(true);
  const auto reply = AddBlock();
  namenode_.meanwhile = [&] { RunScheduled(absl::Seconds(2)); };
  namenode_.on_replica();
  RunScheduled(absl::ZeroDuration());
  EXPECT_THAT(reply->answer().status, IsFsError(FsError::kNotReplicatedYet));
}

TEST_F(AddBlockCallTest, AReportThatComesDuringATryLeadsToAnother) {
  SetMissing(true);
  const auto reply = AddBlock();
  namenode_.meanwhile = [&] {
    namenode_.meanwhile = [&] { SetMissing(false); };  // in the other one
    namenode_.on_replica();
    RunScheduled(absl::ZeroDuration());
    EXPECT_FALSE(reply->answer().given);
  };
  namenode_.on_replica();
  RunScheduled(absl::ZeroDuration());
  EXPECT_EQ(BlockOf(*reply), 1073741825u);
  EXPECT_EQ(namenode_.calls.size(), 4u);  // two when it came
}

}  // namespace
}  // namespace cairn::namenode
