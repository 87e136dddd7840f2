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
         .upgrade_final = [this] { return final_; },
         .roll_edits = [this] { return rolled_; },
         .meta_save =
             [this](absl::string_view user, absl::string_view name,
                    std::function<void(const absl::Status&)> done) {
               meta_saved_ = absl::StrCat(user, " ", name);
               done(meta_save_error_);
             }});
  }

  std::optional<SaveNamespaceRequest> asked_;
  ClientProtocolOptions::Saved saved_;
  absl::StatusOr<uint64_t> rolled_ = 17;
  bool final_ = true;
  std::string meta_saved_;
  absl::Status meta_save_error_;
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

TEST_F(UpkeepTest, MetaSaveAnswersOnceTheFileIsWritten) {
  hdfs::MetaSaveRequestProto request;
  request.set_filename("state.txt");
  EXPECT_TRUE(Call("metaSave", request).deferred);
  EXPECT_EQ(meta_saved_, "alice state.txt");
}

TEST_F(UpkeepTest, WhetherAnUpgradeIsFinalIsToldToEverybody) {
  namenode_.superuser = false;
  const auto is_final = [this] {
    return Parse<hdfs::UpgradeStatusResponseProto>(CallBytes("upgradeStatus", ""))
        .upgradefinalized();
  };
  EXPECT_TRUE(is_final());
  final_ = false;
  EXPECT_FALSE(is_final());
  MakeService({});  // where nothing is kept
  EXPECT_TRUE(is_final());
}

TEST_F(UpkeepTest, OnlyTheSuperuserMay) {
  namenode_.superuser = false;
  for (const char* const method : {"saveNamespace", "rollEdits"}) {
    EXPECT_EQ(GetFsError(CallBytes(method, "").status), FsError::kAccessControl) << method;
  }
  hdfs::MetaSaveRequestProto request;
  request.set_filename("state.txt");
  EXPECT_EQ(GetFsError(Call("metaSave", request).status), FsError::kAccessControl);
  EXPECT_EQ(meta_saved_, "");
  EXPECT_FALSE(asked_.has_value());
}

}  // namespace
}  // namespace cairn::namenode
