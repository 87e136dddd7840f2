#include "namenode/service/rpc/complete_call.h"

#include <string>

#include "namenode/namespace/path.h"
#include "namenode/service/rpc/testing/edge_fixture.h"

namespace cairn::namenode {
namespace {

class CompleteCallTest : public EdgeTest {
 protected:
  std::unique_ptr<FakeReply> Complete(bool with_last = true, absl::string_view path = "/f") {
    hdfs::CompleteRequestProto request;
    request.set_src(std::string(path));
    request.set_clientname("c");
    request.set_fileid(16390);
    if (with_last) SetBlock(*request.mutable_last(), 7, 1001, 10);
    return CallLater("complete", request);
  }
  static bool Result(const FakeReply& reply) {
    return Parse<hdfs::CompleteResponseProto>(reply.answer()).result();
  }
};

TEST_F(CompleteCallTest, AnswersAtOnceWhenTheReplicasAreThere) {
  namenode_.ticket = 3;
  const auto reply = Complete();
  EXPECT_FALSE(reply->answer().deferred);
  EXPECT_TRUE(Result(*reply));
  EXPECT_EQ(reply->answer().ticket, 3u);
  EXPECT_EQ(namenode_.last_call(), "Complete(/f, 16390, c, 7_1001:10)");
  EXPECT_TRUE(scheduled_.empty());
}

// Trap 10: Go asks again without the last block after a false.
TEST_F(CompleteCallTest, Trap10TheLastBlockMayBeLeftOut) {
  EXPECT_TRUE(Result(*Complete(/*with_last=*/false)));
  EXPECT_EQ(namenode_.last_call(), "Complete(/f, 16390, c, -)");
}

TEST_F(CompleteCallTest, WaitsForTheReplicaAndThenAnswersTrue) {
  namenode_.result = false;
  namenode_.ticket = 3;
  const auto reply = Complete();
  EXPECT_TRUE(reply->answer().deferred);
  EXPECT_FALSE(reply->answer().given);

  namenode_.result = true;
  namenode_.ticket = 8;
  namenode_.on_replica();  // perhaps under the namenode's lock: only schedules
  EXPECT_FALSE(reply->answer().given);
  RunScheduled(absl::ZeroDuration());
  EXPECT_TRUE(Result(*reply));
  EXPECT_EQ(reply->answer().ticket, 8u);
  EXPECT_EQ(namenode_.user, "alice");
  EXPECT_EQ(namenode_.remote_ip, "10.1.2.3");

  RunScheduled(absl::Seconds(2));  // the timer comes too late and does nothing
}

TEST_F(CompleteCallTest, AnswersFalseWhenTheTimeIsUp) {
  namenode_.result = false;
  namenode_.ticket = 3;
  const auto reply = Complete();
  namenode_.on_replica();
  RunScheduled(absl::ZeroDuration());  // one replica more, but not the last that is needed
  EXPECT_FALSE(reply->answer().given);
  namenode_.ticket = 0;
  RunScheduled(absl::Seconds(2));
  EXPECT_FALSE(Result(*reply));
  EXPECT_EQ(reply->answer().ticket, 3u);  // the block was committed by that edit

  const size_t calls = namenode_.calls.size();
  namenode_.on_replica();  // later ones find nobody
  RunScheduled(absl::ZeroDuration());
  EXPECT_EQ(namenode_.calls.size(), calls);
}

TEST_F(CompleteCallTest, AnErrorAtTheSecondTryIsTheAnswer) {
  namenode_.result = false;
  const auto reply = Complete();
  namenode_.error = MakeFsError(FsError::kLeaseExpired, "gone");
  namenode_.on_replica();
  RunScheduled(absl::ZeroDuration());
  EXPECT_THAT(reply->answer().status, IsFsError(FsError::kLeaseExpired));
}

TEST_F(CompleteCallTest, ErrorsAtTheFirstTryAreAnsweredAtOnce) {
  namenode_.error = MakeFsError(FsError::kLeaseExpired, "not yours");
  const auto reply = Complete();
  EXPECT_FALSE(reply->answer().deferred);
  EXPECT_THAT(reply->answer().status, IsFsError(FsError::kLeaseExpired));
}

TEST_F(CompleteCallTest, BeyondTheLimitNobodyWaits) {
  MakeService({.max_waiting_calls = 1});
  namenode_.result = false;
  const auto first = Complete();
  const auto second = Complete();
  EXPECT_TRUE(first->answer().deferred);
  EXPECT_FALSE(second->answer().deferred);
  EXPECT_FALSE(Result(*second));
  RunScheduled(absl::Seconds(2));  // the first has its answer: there is room again
  EXPECT_FALSE(Result(*first));
  EXPECT_TRUE(Complete()->answer().deferred);
}

// The file's id would do, but the path is kept for as long as the call waits.
TEST_F(CompleteCallTest, AnOverlongPathIsRefusedThoughTheFileIsNamedByItsId) {
  namenode_.result = false;
  const std::string longest = "/" + std::string(kMaxPathBytes - 1, 'p');
  EXPECT_TRUE(Complete(true, longest)->answer().deferred);
  const auto reply = Complete(true, longest + "p");
  EXPECT_FALSE(reply->answer().deferred);
  EXPECT_THAT(reply->answer().status, IsFsError(FsError::kInvalidPath));
}

// It has written all, and asked for no more than that its file be closed.
TEST_F(CompleteCallTest, AFileIsClosedThoughItsWriterIsGone) {
  namenode_.result = false;
  const auto reply = Complete();
  reply->CloseConnection();
  namenode_.result = true;
  namenode_.on_replica();
  RunScheduled(absl::ZeroDuration());
  EXPECT_TRUE(Result(*reply));
}

TEST_F(CompleteCallTest, WaitersMayOutliveTheService) {
  namenode_.result = false;
  const auto reply = Complete();
  service_.reset();
  RunScheduled(absl::Seconds(2));
  EXPECT_FALSE(Result(*reply));
}

}  // namespace
}  // namespace cairn::namenode
