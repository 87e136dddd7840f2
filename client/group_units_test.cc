// Which units of a group are asked, and what is remembered of those that fail.
#include "client/group_units.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "client/rpc_channel.h"
#include "client/testing/striped_data.h"
#include "common/check.h"
#include "common/testing/fake_clock.h"
#include "common/testing/status_matchers.h"
#include "proto/hdfs/client_namenode.pb.h"

namespace cairn::client {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

constexpr uint64_t kGroupId = uint64_t{0} - 1024;
constexpr auto kRefused = "127.0.0.1:1";  // in the error of who has tried to connect there

class Namenode final : public RpcChannel {
 public:
  explicit Namenode(std::vector<hdfs::LocatedBlockProto>& reported) : reported_(reported) {}
  absl::Status Call(absl::string_view method, const google::protobuf::MessageLite& request,
                    google::protobuf::MessageLite&) override {
    if (method != "reportBadBlocks") return absl::UnimplementedError(method);
    for (const auto& block :
         static_cast<const hdfs::ReportBadBlocksRequestProto&>(request).blocks()) {
      reported_.push_back(block);
    }
    return absl::OkStatus();
  }

 private:
  std::vector<hdfs::LocatedBlockProto>& reported_;
};

// Takes connections and never says a word.
class SilentPort {
 public:
  SilentPort() : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    CHECK(::bind(fd_, reinterpret_cast<sockaddr*>(&address), size) == 0);
    CHECK(::listen(fd_, 8) == 0);
    CHECK(::getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size) == 0);
    port_ = ntohs(address.sin_port);
  }
  ~SilentPort() { ::close(fd_); }
  uint16_t port() const { return port_; }

 private:
  const int fd_;
  uint16_t port_ = 0;
};

class GroupUnitsTest : public ::testing::Test {
 protected:
  GroupUnitsTest() {
    for (uint32_t unit = 0; unit < 5; ++unit) AddUnit(unit, absl::StrCat("uuid-", unit));
    group_.mutable_b()->set_poolid("BP-1");
    group_.mutable_b()->set_blockid(kGroupId);
    group_.mutable_b()->set_generationstamp(7);
    group_.mutable_b()->set_numbytes(3 * 1024);
    hdfs::TokenProto& token = *group_.mutable_blocktoken();
    for (std::string* field : {token.mutable_identifier(), token.mutable_password(),
                               token.mutable_kind(), token.mutable_service()}) {
      field->clear();
    }
  }

  // Nobody listens at port 1.
  void AddUnit(uint32_t unit, const std::string& uuid) {
    hdfs::DatanodeIDProto& id = *group_.add_locs()->mutable_id();
    id.set_ipaddr("127.0.0.1");
    id.set_datanodeuuid(uuid);
    id.set_xferport(1);
    group_.add_storageids(absl::StrCat("DS-", uuid));
    group_.mutable_blockindices()->push_back(static_cast<char>(unit));
  }

  static ClientOptions Options() {
    ClientOptions options;
    options.read_silence_limit = absl::Milliseconds(20);
    options.read_timeout = absl::Hours(1);
    options.short_circuit = false;
    return options;
  }

  GroupUnits Units(const GroupUnits::Attempt& attempt = {}) {
    return GroupUnits(context_, file_, path_, group_, striping_->layout(), attempt);
  }

  FakeClock clock_;
  std::vector<hdfs::LocatedBlockProto> reported_;
  const std::shared_ptr<ClientContext> shared_context_ = std::make_shared<ClientContext>(
      Options(), "user", "fake:0", std::make_unique<Namenode>(reported_), nullptr, clock_);
  ClientContext& context_ = *shared_context_;
  const std::string path_ = "/f";
  LocatedFile file_{shared_context_, path_};
  const std::shared_ptr<const Striping> striping_ = *Striping::Create(SmallCells(3, 2));
  hdfs::LocatedBlockProto group_;
};

TEST_F(GroupUnitsTest, AUnitThatNobodyHasIsLost) {
  group_.mutable_locs()->RemoveLast();
  group_.mutable_blockindices()->pop_back();
  GroupUnits units = Units();
  const auto stream = units.Open(4, 0, 100);
  EXPECT_THAT(stream, StatusIs(absl::StatusCode::kUnavailable, HasSubstr("no datanode is known")));
  EXPECT_FALSE(units.Failed(4, stream.status(), absl::ZeroDuration()));
}

TEST_F(GroupUnitsTest, ADatanodeThatFailedIsNotAskedAgainForThisFile) {
  GroupUnits units = Units();
  const auto stream = units.Open(1, 0, 100);
  EXPECT_THAT(stream, StatusIs(absl::StatusCode::kUnavailable, HasSubstr(kRefused)));
  EXPECT_FALSE(units.Failed(1, stream.status(), absl::ZeroDuration()));
  EXPECT_THAT(units.Open(1, 0, 100).status().message(), HasSubstr("has failed before"));
  GroupUnits later = Units();
  EXPECT_THAT(later.Open(1, 0, 100).status().message(), HasSubstr("has failed before"));
  file_.ForgetDead();
  GroupUnits anew = Units();
  EXPECT_THAT(anew.Open(1, 0, 100).status().message(), HasSubstr(kRefused));
  EXPECT_THAT(reported_, SizeIs(0));
}

// One that was restarted is read from again, and not only when all others have failed as well.
TEST_F(GroupUnitsTest, ADatanodeThatFailedIsAskedAgainHalfAMinuteLater) {
  GroupUnits units = Units();
  const auto stream = units.Open(1, 0, 100);
  EXPECT_FALSE(units.Failed(1, stream.status(), absl::ZeroDuration()));
  clock_.Advance(CostlyNodes::kLife - absl::Milliseconds(1));
  GroupUnits early = Units();
  EXPECT_THAT(early.Open(1, 0, 100).status().message(), HasSubstr("has failed before"));
  clock_.Advance(absl::Milliseconds(1));
  GroupUnits later = Units();
  EXPECT_THAT(later.Open(1, 0, 100).status().message(), HasSubstr(kRefused));
}

// Whoever forgets the failures meanwhile: one group's reader asks nobody twice.
TEST_F(GroupUnitsTest, AReplicaThatFailedIsNotAskedAgainForThisGroup) {
  GroupUnits units = Units();
  const auto stream = units.Open(1, 0, 100);
  EXPECT_FALSE(units.Failed(1, stream.status(), absl::ZeroDuration()));
  file_.ForgetDead();
  EXPECT_THAT(units.Open(1, 0, 100).status().message(), HasSubstr("has failed before"));
}

// By another reader of the file, after this one began.
TEST_F(GroupUnitsTest, AUnitWhoseDatanodeWasFoundDeadMeanwhileIsSaidToHaveFailed) {
  GroupUnits units = Units();
  file_.NoteDead(group_.locs(1).id());
  const auto stream = units.Open(1, 0, 100);
  EXPECT_THAT(stream.status().message(), HasSubstr("has failed before"));
  EXPECT_FALSE(units.Failed(1, stream.status(), absl::ZeroDuration()));
}

TEST_F(GroupUnitsTest, AnotherReplicaOfAUnitComesNext) {
  AddUnit(1, "uuid-6");
  GroupUnits units = Units();
  for (const bool more : {true, false}) {
    const auto stream = units.Open(1, 0, 100);
    EXPECT_THAT(stream.status().message(), HasSubstr(kRefused));
    EXPECT_EQ(units.Failed(1, stream.status(), absl::ZeroDuration()), more);
  }
}

TEST_F(GroupUnitsTest, ABadReplicaIsReportedAndItsDatanodeKept) {
  for (int i = 0; i < group_.locs_size(); ++i) {
    group_.mutable_locs(i)->mutable_id()->set_datanodeuuid("one for all");
  }
  GroupUnits units = Units();
  EXPECT_FALSE(units.Open(2, 0, 100).ok());
  EXPECT_FALSE(units.Failed(2, absl::DataLossError("rotten"), absl::ZeroDuration()));
  ASSERT_THAT(reported_, SizeIs(1));
  EXPECT_EQ(reported_[0].b().blockid(), kGroupId + 2);
  EXPECT_EQ(reported_[0].b().numbytes(), 1024);
  ASSERT_EQ(reported_[0].locs_size(), 1);
  EXPECT_EQ(reported_[0].storageids(0), "DS-uuid-2");
  GroupUnits later = Units();
  EXPECT_THAT(later.Open(2, 0, 100).status().message(), HasSubstr("has failed before"));
  EXPECT_THAT(later.Open(3, 0, 100).status().message(), HasSubstr(kRefused));
}

TEST_F(GroupUnitsTest, ACostlyDatanodeIsLeftAloneWhileThereAreOthers) {
  for (const char* uuid : {"uuid-0", "uuid-1", "uuid-2"}) {
    context_.costly_nodes.Failed(uuid, absl::Seconds(2));
  }
  GroupUnits units = Units();
  for (const uint32_t unit : {0u, 1u}) {
    EXPECT_THAT(units.Open(unit, 0, 100).status().message(), HasSubstr("cost another read"));
  }
  EXPECT_THAT(units.Open(2, 0, 100).status().message(), HasSubstr(kRefused)) << "three are needed";
  EXPECT_FALSE(units.Recall(2)) << "it has not been held back";
  const absl::Status held_back = units.Open(0, 0, 100).status();
  EXPECT_FALSE(units.Failed(0, held_back, absl::ZeroDuration()));
  EXPECT_TRUE(units.Recall(0));
  const absl::Status recalled = units.Open(0, 0, 100).status();
  EXPECT_THAT(recalled.message(), HasSubstr(kRefused));
  EXPECT_FALSE(units.Failed(0, recalled, absl::ZeroDuration()));
  EXPECT_FALSE(units.Recall(0)) << "nothing is left of it";
  GroupUnits second = Units({.is_first = false});
  EXPECT_THAT(second.Open(1, 0, 100).status().message(), HasSubstr(kRefused));
}

TEST_F(GroupUnitsTest, ASilentDatanodeIsNotWaitedForWhileThereAreOthers) {
  const SilentPort silent;
  group_.mutable_locs(0)->mutable_id()->set_xferport(silent.port());
  GroupUnits units = Units();
  EXPECT_THAT(units.Open(0, 0, 100), StatusIs(absl::StatusCode::kUnavailable));
}

}  // namespace
}  // namespace cairn::client
