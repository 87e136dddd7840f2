// The length of a file that is being written, which its datanodes tell, and that it has later.
#include "client/located_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "client/rpc_channel.h"
#include "common/fs_error.h"
#include "common/testing/fake_clock.h"
#include "common/testing/status_matchers.h"
#include "proto/hdfs/client_datanode.pb.h"
#include "proto/hdfs/client_namenode.pb.h"

namespace cairn::client {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

constexpr uint32_t kPorts[] = {1001, 1002};

// One open file, with one block on two datanodes, or on none of those that it knows.
struct Told {
  int calls = 0;
  int without_locations_from = 1 << 20;  // from this call on
  uint64_t known_bytes = 0;
  std::optional<uint64_t> closed_bytes;  // the file has been closed with so many
};

class Namenode final : public RpcChannel {
 public:
  explicit Namenode(Told& told) : told_(told) {}
  absl::Status Call(absl::string_view method, const google::protobuf::MessageLite&,
                    google::protobuf::MessageLite& response) override {
    if (method != "getBlockLocations") return absl::UnimplementedError(method);
    hdfs::GetBlockLocationsResponseProto answer;
    hdfs::LocatedBlocksProto& blocks = *answer.mutable_locations();
    blocks.set_filelength(told_.closed_bytes.value_or(0));
    blocks.set_underconstruction(!told_.closed_bytes.has_value());
    blocks.set_islastblockcomplete(told_.closed_bytes.has_value());
    hdfs::LocatedBlockProto& last = *blocks.mutable_lastblock();
    last.mutable_b()->set_poolid("BP-1");
    last.mutable_b()->set_blockid(7);
    last.mutable_b()->set_generationstamp(1007);
    last.mutable_b()->set_numbytes(told_.closed_bytes.value_or(told_.known_bytes));
    last.set_offset(0);
    last.set_corrupt(false);
    for (std::string* field :
         {last.mutable_blocktoken()->mutable_identifier(),
          last.mutable_blocktoken()->mutable_password(), last.mutable_blocktoken()->mutable_kind(),
          last.mutable_blocktoken()->mutable_service()}) {
      field->clear();
    }
    const bool shown = ++told_.calls < told_.without_locations_from;
    for (const uint32_t port : shown ? std::span(kPorts) : std::span<const uint32_t>()) {
      hdfs::DatanodeIDProto& id = *last.add_locs()->mutable_id();
      id.set_ipaddr("127.0.0.1");
      id.set_hostname("node");
      id.set_datanodeuuid(std::to_string(port));
      id.set_xferport(port);
      id.set_infoport(0);
      id.set_ipcport(port);
      last.add_storageids("DS");
      last.add_storagetypes(hdfs::STORAGE_TYPE_DISK);
    }
    response.ParseFromString(answer.SerializeAsString());
    return absl::OkStatus();
  }

 private:
  Told& told_;
};

struct Asked {
  std::set<uint16_t> hung;                       // never answers
  std::set<uint16_t> sluggish;                   // answers who waits for more than ten seconds
  std::vector<std::pair<uint16_t, bool>> calls;  // the port, and whether it was waited for
  bool without_replica = false;                  // all of them
  std::map<uint16_t, uint64_t> lengths;          // that they tell; the others 42
  std::set<uint16_t> stopped;                    // while the replica was written
  FakeClock* clock = nullptr;                    // moves so far with each question
  absl::Duration takes;
};

class Datanodes final : public DatanodeRpc {
 public:
  explicit Datanodes(Asked& asked) : asked_(asked) {}
  absl::StatusOr<std::unique_ptr<RpcChannel>> Connect(const std::string&, uint16_t port,
                                                      absl::Duration patience) override {
    const bool waits = patience > absl::Seconds(10);
    asked_.calls.emplace_back(port, waits);
    if (asked_.clock != nullptr) asked_.clock->Advance(asked_.takes);
    if (asked_.hung.contains(port) || (asked_.sluggish.contains(port) && !waits)) {
      return absl::DeadlineExceededError("no answer");
    }
    const auto length = asked_.lengths.find(port);
    return std::make_unique<Channel>(asked_.without_replica,
                                     length == asked_.lengths.end() ? 42 : length->second,
                                     asked_.stopped.contains(port));
  }

 private:
  class Channel final : public RpcChannel {
   public:
    Channel(bool without_replica, uint64_t length, bool stopped)
        : without_replica_(without_replica), length_(length), stopped_(stopped) {}
    absl::Status Call(absl::string_view, const google::protobuf::MessageLite&,
                      google::protobuf::MessageLite& response) override {
      if (without_replica_) return MakeFsError(FsError::kReplicaNotFound, "of an older stamp");
      auto& told = static_cast<hdfs::GetReplicaVisibleLengthResponseProto&>(response);
      told.set_length(length_);
      if (stopped_) told.set_waitsforrecovery(true);
      return absl::OkStatus();
    }

   private:
    const bool without_replica_;
    const uint64_t length_;
    const bool stopped_;
  };
  Asked& asked_;
};

class LocatedFileTest : public ::testing::Test {
 protected:
  Told told_;
  Asked asked_;
  FakeClock clock_;
  LocatedFile file_{std::make_shared<ClientContext>(ClientOptions{}, "user", "fake:0",
                                                    std::make_unique<Namenode>(told_),
                                                    std::make_unique<Datanodes>(asked_), clock_),
                    "/f", absl::Milliseconds(1)};
};

TEST_F(LocatedFileTest, ADatanodeThatHangsKeepsNobodyFromTheLengthThatAnotherTells) {
  asked_.hung = {1001};
  ASSERT_OK(file_.Refresh());
  EXPECT_EQ(file_.length(), 42u);
  EXPECT_THAT(asked_.calls, ElementsAre(Pair(1001, false), Pair(1002, false)));
}

// A packet is acknowledged by the last of a pipeline first.
TEST_F(LocatedFileTest, WhatNotAllReplicasCallVisibleIsNot) {
  asked_.lengths = {{1001, 8000}, {1002, 4000}};
  ASSERT_OK(file_.Refresh());
  EXPECT_EQ(file_.length(), 4000u);
  asked_.lengths = {{1001, 4000}, {1002, 8000}};
  ASSERT_OK(file_.Refresh());
  EXPECT_EQ(file_.length(), 4000u);
}

// What it has on its disk may be less than what was acknowledged.
TEST_F(LocatedFileTest, AReplicaWhoseDatanodeWasStoppedHidesNothing) {
  asked_.lengths = {{1001, 0}, {1002, 8000}};
  asked_.stopped = {1001};
  ASSERT_OK(file_.Refresh());
  EXPECT_EQ(file_.length(), 8000u);
}

TEST_F(LocatedFileTest, AReplicaThatIsShorterThanTheNamenodeKnowsHidesNothing) {
  told_.known_bytes = 6000;
  asked_.lengths = {{1001, 10}, {1002, 8000}};
  ASSERT_OK(file_.Refresh());
  EXPECT_EQ(file_.length(), 8000u);
}

TEST_F(LocatedFileTest, OfReplicasThatWereAllStoppedTheLongestCounts) {
  asked_.lengths = {{1001, 4000}, {1002, 8000}};
  asked_.stopped = {1001, 1002};
  ASSERT_OK(file_.Refresh());
  EXPECT_EQ(file_.length(), 8000u);
}

TEST_F(LocatedFileTest, WhoOpensTheFileWaitsForTheOnlyOnesThatAreLeft) {
  asked_.hung = {1001};
  asked_.sluggish = {1002};
  ASSERT_OK(file_.Refresh());
  EXPECT_EQ(file_.length(), 42u);
}

TEST_F(LocatedFileTest, WhoOnlyWantsToKnowTheLengthDoesNot) {
  asked_.hung = {1001};
  asked_.sluggish = {1002};
  EXPECT_THAT(file_.Refresh(/*patient=*/false), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(asked_.calls, ElementsAre(Pair(1001, false), Pair(1002, false)));
}

TEST_F(LocatedFileTest, AStampThatNoDatanodeKnowsIsWaitedForAsLongAsTheClockSays) {
  asked_.without_replica = true;
  told_.known_bytes = 10;
  asked_.clock = &clock_;
  asked_.takes = ClientOptions{}.read_retry_window / 2;
  EXPECT_THAT(file_.Refresh(), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_EQ(told_.calls, 2) << "the questions themselves take time";
}

// Each kind of wait has its own end.
TEST_F(LocatedFileTest, LocationsThatGoWhileAStampIsWaitedForAreNotWaitedForForEver) {
  asked_.without_replica = true;
  told_.known_bytes = 10;
  told_.without_locations_from = 5;
  const absl::Status status = file_.Refresh();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(status.message(), HasSubstr("Could not obtain the last block locations"));
  EXPECT_EQ(told_.calls, 4 + 3);
}

TEST_F(LocatedFileTest, AnOpenBlockKeepsTheLengthThatItsDatanodesTold) {
  ASSERT_OK(file_.Refresh());
  told_.known_bytes = 10;
  ASSERT_OK_AND_ASSIGN(const KnownBlock found, file_.BlockAt(41, /*fresh=*/true));
  EXPECT_EQ(found.block->b().numbytes(), 42u);
  EXPECT_TRUE(found.being_written);
}

// Also where the answer shows it as the last one only, since other blocks were asked for.
TEST_F(LocatedFileTest, ABlockThatIsCompleteHasTheLengthThatTheNamenodeTells) {
  for (const uint64_t bytes : {30u, 50u}) {
    told_.closed_bytes.reset();
    ASSERT_OK(file_.Refresh());
    ASSERT_OK_AND_ASSIGN(const KnownBlock before, file_.BlockAt(0, /*fresh=*/false));
    told_.closed_bytes = bytes;
    ASSERT_OK_AND_ASSIGN(const KnownBlock after, file_.BlockAt(0, /*fresh=*/true));
    EXPECT_EQ(after.block->b().numbytes(), bytes);
    EXPECT_FALSE(after.being_written);
    EXPECT_EQ(before.block->b().numbytes(), 42u);
    EXPECT_TRUE(before.being_written);
  }
}

TEST_F(LocatedFileTest, BytesThatAreGoneAreAnErrorAndNoEnd) {
  ASSERT_OK(file_.Refresh());
  told_.closed_bytes = 30;
  EXPECT_THAT(file_.BlockAt(30, /*fresh=*/true), StatusIs(absl::StatusCode::kUnavailable));
}

}  // namespace
}  // namespace cairn::client
