#include "client/visible_length.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <system_error>
#include <thread>
#include <utility>

#include "common/testing/eventually.h"
#include "common/testing/fake_clock.h"
#include "common/testing/status_matchers.h"
#include "proto/hdfs/client_datanode.pb.h"

namespace cairn::client {
namespace {

class NoNamenode final : public RpcChannel {
  absl::Status Call(absl::string_view method, const google::protobuf::MessageLite&,
                    google::protobuf::MessageLite&) override {
    return absl::UnimplementedError(method);
  }
};

// Datanodes by their ports, which answer as soon as the test has told them a length.
class Datanodes final : public DatanodeRpc {
 public:
  void Tell(uint16_t port, uint64_t bytes) ABSL_LOCKS_EXCLUDED(mu_) {
    MutexLock lock(mu_);
    lengths_[port] = bytes;
    AnswerTo(port);
  }
  void Hang(uint16_t port) ABSL_LOCKS_EXCLUDED(mu_) {
    MutexLock lock(mu_);
    lengths_.erase(port);
  }
  int Asked(uint16_t port) ABSL_LOCKS_EXCLUDED(mu_) {
    MutexLock lock(mu_);
    return asked_[port];
  }
  // As where a channel's thread cannot be started.
  void ThrowAt(uint16_t port) { throws_at_ = port; }

  absl::StatusOr<std::unique_ptr<RpcChannel>> Connect(const std::string&, uint16_t port,
                                                      absl::Duration) override {
    if (port == throws_at_) {
      throw std::system_error(std::make_error_code(std::errc::resource_unavailable_try_again));
    }
    return std::make_unique<Channel>(*this, port);
  }

 private:
  struct Call {
    google::protobuf::MessageLite* response;
    std::function<void(absl::Status)> done;
  };
  class Channel final : public RpcChannel {
   public:
    Channel(Datanodes& nodes, uint16_t port) : nodes_(nodes), port_(port) {}
    ~Channel() override {
      MutexLock lock(nodes_.mu_);
      const auto left = nodes_.calls_.extract(port_);
      if (!left.empty()) left.mapped().done(absl::CancelledError());
    }
    absl::Status Call(absl::string_view method, const google::protobuf::MessageLite&,
                      google::protobuf::MessageLite&) override {
      return absl::UnimplementedError(method);
    }
    void CallAsync(absl::string_view, const google::protobuf::MessageLite&,
                   google::protobuf::MessageLite& response,
                   std::function<void(absl::Status)> done) override {
      MutexLock lock(nodes_.mu_);
      nodes_.calls_[port_] = {&response, std::move(done)};
      ++nodes_.asked_[port_];
      nodes_.AnswerTo(port_);
    }

   private:
    Datanodes& nodes_;
    const uint16_t port_;
  };

  // With the lock held for the call: a channel that goes waits for it.
  void AnswerTo(uint16_t port) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    const auto length = lengths_.find(port);
    if (length == lengths_.end()) return;
    const auto call = calls_.extract(port);
    if (call.empty()) return;
    static_cast<hdfs::GetReplicaVisibleLengthResponseProto*>(call.mapped().response)
        ->set_length(length->second);
    call.mapped().done(absl::OkStatus());
  }

  uint16_t throws_at_ = 0;
  Mutex mu_;
  std::map<uint16_t, uint64_t> lengths_ ABSL_GUARDED_BY(mu_);
  std::map<uint16_t, Call> calls_ ABSL_GUARDED_BY(mu_);  // that wait
  std::map<uint16_t, int> asked_ ABSL_GUARDED_BY(mu_);
};

// Who is waited for for ever would hang a test: so it is told who is not, whatever the time.
class VisibleLengthTest : public ::testing::Test {
 protected:
  static constexpr LengthPatience kHasty = {.others = absl::Milliseconds(1),
                                            .silent = absl::Milliseconds(1)};
  static constexpr LengthPatience kPatient = {.others = absl::InfiniteDuration(),
                                              .silent = absl::Milliseconds(1)};

  VisibleLengthTest() {
    auto nodes = std::make_unique<Datanodes>();
    nodes_ = nodes.get();
    context_ =
        std::make_shared<ClientContext>(ClientOptions{}, "user", "fake:0",
                                        std::make_unique<NoNamenode>(), std::move(nodes), clock_);
    block_.mutable_b()->set_blockid(7);
    for (const uint16_t port : {1001, 1002}) AddNode(port);
  }

  void AddNode(uint16_t port) {
    hdfs::DatanodeIDProto& id = *block_.add_locs()->mutable_id();
    id.set_ipaddr("127.0.0.1");
    id.set_datanodeuuid(std::to_string(port));
    id.set_ipcport(port);
  }

  absl::StatusOr<uint64_t> Ask(const LengthPatience& patience) {
    return AskVisibleLength(*context_, block_, /*patient=*/true, patience);
  }

  // Node 1001 tells 42, and the other one nothing.
  void LetTheOtherBeSilent() {
    nodes_->Tell(1001, 42);
    ASSERT_THAT(Ask(kHasty), IsOkAndHolds(42u));
  }

  // The other one tells its length once it has been asked for the `count`th time.
  absl::StatusOr<uint64_t> AskWhileItTellsLate(int count, uint64_t bytes) {
    std::thread tells([&] {
      EVENTUALLY(nodes_->Asked(1002) == count);
      nodes_->Tell(1002, bytes);
    });
    absl::StatusOr<uint64_t> length = Ask(kPatient);
    tells.join();
    return length;
  }

  FakeClock clock_;
  Datanodes* nodes_ = nullptr;
  std::shared_ptr<ClientContext> context_;
  hdfs::LocatedBlockProto block_;
};

TEST_F(VisibleLengthTest, AllAreAskedBeforeTheFirstHasAnswered) {
  AddNode(1003);
  std::thread tells([this] {
    for (const uint16_t port : {1001, 1002, 1003}) EVENTUALLY(nodes_->Asked(port) == 1);
    nodes_->Tell(1003, 30);
    nodes_->Tell(1001, 10);
    nodes_->Tell(1002, 20);
  });
  const absl::StatusOr<uint64_t> length = Ask(kPatient);
  tells.join();
  EXPECT_THAT(length, IsOkAndHolds(10u));
}

TEST_F(VisibleLengthTest, OneThatWasSilentIsAskedButNotWaitedForAgain) {
  LetTheOtherBeSilent();
  EXPECT_THAT(Ask(kPatient), IsOkAndHolds(42u));
  EXPECT_THAT(Ask(kPatient), IsOkAndHolds(42u));
  EXPECT_EQ(nodes_->Asked(1002), 3);
}

TEST_F(VisibleLengthTest, WhatItTellsInTimeCountsAllTheSame) {
  LetTheOtherBeSilent();
  nodes_->Tell(1002, 30);
  EXPECT_THAT(Ask(kHasty), IsOkAndHolds(30u));
}

TEST_F(VisibleLengthTest, OneThatHasBeenHeardIsWaitedForAgain) {
  LetTheOtherBeSilent();
  nodes_->Tell(1002, 30);
  ASSERT_OK(Ask(kHasty));
  nodes_->Hang(1002);
  EXPECT_THAT(AskWhileItTellsLate(3, 35), IsOkAndHolds(35u));
}

TEST_F(VisibleLengthTest, SomeSecondsLaterItIsToo) {
  LetTheOtherBeSilent();
  clock_.Advance(SilentNodes::kLife);
  EXPECT_THAT(AskWhileItTellsLate(2, 35), IsOkAndHolds(35u));
}

// Else one that is always a little slow would not count as long as somebody asks.
TEST_F(VisibleLengthTest, ThatItWasHardlyWaitedForIsNotHeldAgainstIt) {
  LetTheOtherBeSilent();
  clock_.Advance(SilentNodes::kLife / 2);
  ASSERT_THAT(Ask(kPatient), IsOkAndHolds(42u));
  clock_.Advance(SilentNodes::kLife / 2);
  EXPECT_THAT(AskWhileItTellsLate(3, 35), IsOkAndHolds(35u));
}

TEST_F(VisibleLengthTest, WhereAllWereSilentAllAreWaitedFor) {
  for (const char* uuid : {"1001", "1002"}) context_->silent_nodes.Note(uuid);
  nodes_->Tell(1001, 42);
  EXPECT_THAT(AskWhileItTellsLate(1, 35), IsOkAndHolds(35u));
}

TEST_F(VisibleLengthTest, DatanodesWithoutAPortCannotBeAsked) {
  for (hdfs::DatanodeInfoProto& node : *block_.mutable_locs()) node.mutable_id()->set_ipcport(0);
  EXPECT_THAT(Ask(kHasty), StatusIs(absl::StatusCode::kUnavailable));
}

// The end of the first question finds what it writes to: seen by a sanitizer.
TEST_F(VisibleLengthTest, AQuestionThatCannotBeAskedEndsTheOthers) {
  nodes_->ThrowAt(1002);
  EXPECT_THROW(Ask(kHasty).IgnoreError(), std::system_error);
  EXPECT_EQ(nodes_->Asked(1001), 1);
}

TEST_F(VisibleLengthTest, ItIsWaitedForWhereNoneThatAnswersCounts) {
  LetTheOtherBeSilent();
  block_.mutable_b()->set_numbytes(6000);
  EXPECT_THAT(AskWhileItTellsLate(2, 8000), IsOkAndHolds(8000u)) << "42 is less than is known";
}

}  // namespace
}  // namespace cairn::client
