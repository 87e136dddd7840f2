// The length of a file that is being written, which its datanodes tell.
#include "client/located_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>
#include <utility>
#include <vector>

#include "client/rpc_channel.h"
#include "common/testing/status_matchers.h"
#include "proto/hdfs/client_datanode.pb.h"
#include "proto/hdfs/client_namenode.pb.h"

namespace cairn::client {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

constexpr uint32_t kPorts[] = {1001, 1002};

// One open file, with one block on two datanodes.
class Namenode final : public RpcChannel {
 public:
  absl::Status Call(absl::string_view method, const google::protobuf::MessageLite&,
                    google::protobuf::MessageLite& response) override {
    if (method != "getBlockLocations") return absl::UnimplementedError(method);
    hdfs::GetBlockLocationsResponseProto answer;
    hdfs::LocatedBlocksProto& blocks = *answer.mutable_locations();
    blocks.set_filelength(0);
    blocks.set_underconstruction(true);
    blocks.set_islastblockcomplete(false);
    hdfs::LocatedBlockProto& last = *blocks.mutable_lastblock();
    last.mutable_b()->set_poolid("BP-1");
    last.mutable_b()->set_blockid(7);
    last.mutable_b()->set_generationstamp(1007);
    last.mutable_b()->set_numbytes(0);
    last.set_offset(0);
    last.set_corrupt(false);
    for (std::string* field :
         {last.mutable_blocktoken()->mutable_identifier(),
          last.mutable_blocktoken()->mutable_password(), last.mutable_blocktoken()->mutable_kind(),
          last.mutable_blocktoken()->mutable_service()}) {
      field->clear();
    }
    for (const uint32_t port : kPorts) {
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
};

struct Asked {
  std::set<uint16_t> hung;                       // never answers
  std::set<uint16_t> sluggish;                   // answers who waits for more than ten seconds
  std::vector<std::pair<uint16_t, bool>> calls;  // the port, and whether it was waited for
};

class Datanodes final : public DatanodeRpc {
 public:
  explicit Datanodes(Asked& asked) : asked_(asked) {}
  absl::StatusOr<std::unique_ptr<RpcChannel>> Connect(const std::string&, uint16_t port,
                                                      absl::Duration patience) override {
    const bool waits = patience > absl::Seconds(10);
    asked_.calls.emplace_back(port, waits);
    if (asked_.hung.contains(port) || (asked_.sluggish.contains(port) && !waits)) {
      return absl::DeadlineExceededError("no answer");
    }
    return std::make_unique<Channel>();
  }

 private:
  class Channel final : public RpcChannel {
   public:
    absl::Status Call(absl::string_view, const google::protobuf::MessageLite&,
                      google::protobuf::MessageLite& response) override {
      static_cast<hdfs::GetReplicaVisibleLengthResponseProto&>(response).set_length(42);
      return absl::OkStatus();
    }
  };
  Asked& asked_;
};

class LocatedFileTest : public ::testing::Test {
 protected:
  Asked asked_;
  LocatedFile file_{std::make_shared<ClientContext>(
                        ClientOptions{}, "user", "fake:0", std::make_unique<Namenode>(),
                        std::make_unique<Datanodes>(asked_), SystemClock()),
                    "/f"};
};

TEST_F(LocatedFileTest, ADatanodeThatHangsKeepsNobodyFromTheLengthThatAnotherTells) {
  asked_.hung = {1001};
  ASSERT_OK(file_.Refresh());
  EXPECT_EQ(file_.length(), 42u);
  EXPECT_THAT(asked_.calls, ElementsAre(Pair(1001, false), Pair(1002, false)));
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

}  // namespace
}  // namespace cairn::client
