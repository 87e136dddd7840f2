#include <optional>
#include <string>
#include <utility>

#include "namenode/service/rpc/testing/edge_fixture.h"

namespace cairn::namenode {
namespace {

using ::testing::HasSubstr;

class UpkeepTest : public EdgeTest {
 protected:
  UpkeepTest() {
    MakeService(
        {.save_namespace =
             [this](const SaveNamespaceRequest& request, ClientProtocolOptions::Saved saved) {
               asked_ = request;
               saved_ = std::move(saved);
             },
         .roll_edits = [this] { return rolled_; }});
  }

  std::optional<SaveNamespaceRequest> asked_;
  ClientProtocolOptions::Saved saved_;
  absl::StatusOr<uint64_t> rolled_ = 17;
};

TEST_F(UpkeepTest, SaveNamespaceAnswersOnceTheCheckpointIsMade) {
  hdfs::SaveNamespaceRequestProto request;
  request.set_timewindow(60);
  request.set_txgap(5);
  const FakeAnswer answer = Call("saveNamespace", request);
  EXPECT_TRUE(answer.deferred);
  ASSERT_TRUE(asked_.has_value());
  EXPECT_EQ(asked_->time_window, absl::Minutes(1));
  EXPECT_EQ(asked_->transaction_gap, 5u);
  saved_(true);
}

TEST_F(UpkeepTest, RollEditsTellsWhereTheNewSegmentBegins) {
  const auto response = Parse<hdfs::RollEditsResponseProto>(CallBytes("rollEdits", ""));
  EXPECT_EQ(response.newsegmenttxid(), 17u);
}

TEST_F(UpkeepTest, AFullDiskIsAnIoExceptionInClientsEyes) {
  rolled_ = absl::ResourceExhaustedError("disk full");
  const FakeAnswer answer = CallBytes("rollEdits", "");
  EXPECT_EQ(GetFsError(answer.status), FsError::kIo);
  EXPECT_THAT(answer.status.message(), HasSubstr("disk full"));
}

TEST_F(UpkeepTest, OnlyTheSuperuserMay) {
  namenode_.superuser = false;
  for (const char* const method : {"saveNamespace", "rollEdits"}) {
    EXPECT_EQ(GetFsError(CallBytes(method, "").status), FsError::kAccessControl) << method;
  }
  EXPECT_FALSE(asked_.has_value());
}

}  // namespace
}  // namespace cairn::namenode
