// Datanodes leave for good or for a while, are called back, and die meanwhile: no block falls below
// what its file wants because of it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "namenode/core/testing/healing_fixture.h"

namespace cairn::namenode {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;
using State = ReplicaState;
using enum AdminState;

constexpr absl::Duration kGivenUp = absl::Minutes(6);

class DeparturesTest : public HealingFixture {
 protected:
  void Start(int nodes) {
    TestNamenode::Options options;
    options.datanodes = nodes;
    HealingFixture::Start(std::move(options));
  }
  ClusterState& cluster() { return nn_->impl().cluster(); }
  void AfterMaintenance() override {  // as it happens by itself every 5 s
    if (flushing_) nn_->Flush();
  }

  struct Wish {
    int node;
    const char* state;  // as in the file
    absl::Time until = absl::InfiniteFuture();
  };
  // The operator's file names these, and everybody else stays.
  void SetHosts(const std::vector<Wish>& wishes) {
    std::string json;
    for (const Wish& wish : wishes) {
      const auto view = cluster().View();
      const DatanodeAddress& at =
          view->FindByUuid(TestNamenode::DatanodeUuid(wish.node))->info->address;
      absl::StrAppend(&json, R"({"hostName": ")", at.ip, R"(", "port": )", at.transfer_port,
                      R"(, "adminState": ")", wish.state, "\"");
      if (wish.until != absl::InfiniteFuture()) {
        absl::StrAppend(&json, R"(, "maintenanceExpireTimeInMS": )",
                        absl::ToUnixMillis(wish.until));
      }
      json += "}\n";
    }
    auto rules = HostRules::ParseJson(json, "hosts");
    ASSERT_OK(rules);
    cluster().SetHostRules(std::make_shared<const HostRules>(*std::move(rules)));
  }

  AdminState StateOf(int node) {
    return cluster().View()->FindByUuid(TestNamenode::DatanodeUuid(node))->info->admin_state;
  }
  // A file of one replica that is being written; *node: where.
  LocatedBlock WriteTo(absl::string_view path, int* node) {
    CreateOptions create = CreateFlags(true, false);
    create.replication = 1;
    EXPECT_OK(nn_->impl().Create(kSuper, path, create).value);
    LocatedBlock block = nn_->AddBlock(path);
    EXPECT_THAT(block.storages, SizeIs(1));
    *node = NodeOf(block.storages.at(0));
    EXPECT_OK(nn_->Report(*node, block.block, State::kBeingWritten));
    return block;
  }

  bool flushing_ = true;
};

TEST_F(DeparturesTest, ANodeIsDecommissionedOnceItsBlocksAreElsewhereAsOftenAsTheyShouldBe) {
  Start(4);
  const BlockVersion block = Write("/f", 3, {0, 1, 2});
  copying_ = false;
  SetHosts({{0, "DECOMMISSIONED"}});
  Pass(absl::Seconds(30));
  EXPECT_EQ(StateOf(0), kDecommissioning);
  copying_ = true;
  Pass(absl::Minutes(10));  // the copy that nobody made is given up and ordered again
  EXPECT_EQ(StateOf(0), kDecommissioned);
  EXPECT_THAT(Holders(block), UnorderedElementsAre(0, 1, 2, 3));
}

TEST_F(DeparturesTest, ACopyOnASilentNodeIsNotReasonEnoughToLeave) {
  Start(3);
  Write("/f", 2, {0, 1});
  copying_ = false;
  dead_ = {1};
  Pass(absl::Seconds(30));  // silent, not given up
  SetHosts({{0, "DECOMMISSIONED"}});
  Pass(absl::Seconds(30));
  EXPECT_EQ(StateOf(0), kDecommissioning);
}

TEST_F(DeparturesTest, ANodeWithoutBlocksMayGoAtOnce) {
  Start(2);
  Write("/f", 1, {1});
  SetHosts({{0, "DECOMMISSIONED"}});
  Pass(absl::Seconds(3));
  EXPECT_EQ(StateOf(0), kDecommissioned);
}

TEST_F(DeparturesTest, WhereTooFewNodesAreLeftItStaysAndSaysWhy) {
  Start(3);
  Write("/f", 3, {0, 1, 2});
  SetHosts({{0, "DECOMMISSIONED"}});
  Pass(absl::Minutes(2));
  EXPECT_EQ(StateOf(0), kDecommissioning);
  EXPECT_THAT(nn().impl().SetReplication(kSuper, "/f", 2).value, IsOkAndHolds(true));
  Pass(absl::Minutes(2));
  EXPECT_EQ(StateOf(0), kDecommissioned) << "two are enough now";
}

TEST_F(DeparturesTest, CalledBackItServesAtOnceAndWhatIsTooManyGoes) {
  Start(4);
  const BlockVersion block = Write("/f", 3, {0, 1, 2});
  SetHosts({{0, "DECOMMISSIONED"}});
  Pass(absl::Minutes(1));
  EXPECT_THAT(Holders(block), SizeIs(4));
  SetHosts({});
  EXPECT_EQ(StateOf(0), kInService);
  Pass(absl::Minutes(2));
  EXPECT_THAT(Holders(block), SizeIs(3));
}

TEST_F(DeparturesTest, TheLastCopyIsNotLetGo) {
  Start(2);
  Write("/f", 1, {0});
  copying_ = false;
  SetHosts({{0, "DECOMMISSIONED"}});
  Pass(absl::Minutes(1));
  EXPECT_EQ(StateOf(0), kDecommissioning);
}

TEST_F(DeparturesTest, OneThatDiesMeanwhileIsDoneWhenItsBlocksAreSafeWithoutIt) {
  Start(5);
  Write("/f", 3, {0, 1, 2});
  Write("/only", 1, {0});
  copying_ = false;
  SetHosts({{0, "DECOMMISSIONED"}});
  Pass(absl::Seconds(9));
  dead_.insert(0);
  copying_ = true;
  Pass(kGivenUp);
  EXPECT_EQ(StateOf(0), kDecommissioning) << "/only is nowhere else";
  EXPECT_THAT(nn().impl().Delete(kSuper, "/only", false).value, IsOkAndHolds(true));
  Pass(absl::Minutes(1));
  EXPECT_EQ(StateOf(0), kDecommissioned);
}

TEST_F(DeparturesTest, AFileBeingWrittenToItAloneKeepsIt) {
  Start(2);
  int writes = 0;
  const LocatedBlock block = WriteTo("/open", &writes);
  const auto blocking = [&] {
    return nn().impl().ListOpenFiles(kSuper, kNoInode, true, 10).value->files;
  };
  EXPECT_THAT(blocking(), IsEmpty());
  SetHosts({{writes, "DECOMMISSIONED"}});
  Pass(absl::Seconds(30));
  EXPECT_EQ(StateOf(writes), kDecommissioning);
  ASSERT_THAT(blocking(), SizeIs(1));
  EXPECT_EQ(blocking()[0].path, "/open");
  BlockVersion done = block.block;
  done.length = 1000;
  ASSERT_OK(nn().Report(writes, done, State::kFinalized));
  EXPECT_THAT(nn().impl().Complete(kSuper, "/open", kNoInode, "client", done, nullptr).value,
              IsOkAndHolds(true));
  Pass(absl::Minutes(1));
  EXPECT_EQ(StateOf(writes), kDecommissioned);
  EXPECT_THAT(Holders(done), SizeIs(2));
  EXPECT_THAT(blocking(), IsEmpty());
}

// Its block has no record when the records are looked through, and it is not open any more when the
// open files are.
TEST_F(DeparturesTest, AFileThatIsClosedBetweenTheLooksKeepsIt) {
  Start(2);
  flushing_ = false;
  int writes = 0;
  BlockVersion block = WriteTo("/open", &writes).block;
  SetHosts({{writes, "DECOMMISSIONED"}});
  Pass(absl::Seconds(3));
  ASSERT_EQ(StateOf(writes), kDecommissioning);
  copying_ = false;
  block.length = 1000;
  ASSERT_OK(nn().Report(writes, block, State::kFinalized));
  ASSERT_THAT(nn().impl().Complete(kSuper, "/open", kNoInode, "client", block, nullptr).value,
              IsOkAndHolds(true));
  flushing_ = true;
  Pass(absl::Seconds(30));
  EXPECT_EQ(StateOf(writes), kDecommissioning);
  EXPECT_THAT(Holders(block), UnorderedElementsAre(writes));
  copying_ = true;
  Pass(absl::Minutes(5));
  EXPECT_EQ(StateOf(writes), kDecommissioned);
  EXPECT_THAT(Holders(block), SizeIs(2));
}

TEST_F(DeparturesTest, AFileThatIsAlsoWrittenToNodesThatStayKeepsNobody) {
  Start(3);
  nn().Create("/open");
  ASSERT_THAT(nn().AddBlock("/open").storages, SizeIs(3));
  SetHosts({{0, "DECOMMISSIONED"}});
  Pass(absl::Seconds(30));
  EXPECT_EQ(StateOf(0), kDecommissioned);
  EXPECT_THAT(nn().impl().ListOpenFiles(kSuper, kNoInode, true, 10).value->files, IsEmpty());
  EXPECT_THAT(nn().impl().ListOpenFiles(kSuper, kNoInode, false, 10).value->files, SizeIs(1));
}

TEST_F(DeparturesTest, ForMaintenanceOneReachableCopyIsEnoughAndNothingIsCopied) {
  Start(4);
  const BlockVersion block = Write("/f", 2, {0, 1});
  SetHosts({{0, "IN_MAINTENANCE"}});
  Pass(absl::Seconds(6));
  EXPECT_EQ(StateOf(0), kInMaintenance);
  dead_.insert(0);
  Pass(kGivenUp * 2);
  EXPECT_EQ(nn().impl().cluster().Totals().dead, 1);
  EXPECT_THAT(Holders(block), UnorderedElementsAre(0, 1)) << "it is known to come back";
}

TEST_F(DeparturesTest, TheOnlyCopyIsMadeTwiceBeforeMaintenance) {
  Start(3);
  const BlockVersion block = Write("/f", 1, {0});
  SetHosts({{0, "IN_MAINTENANCE"}});
  Pass(absl::Minutes(1));
  EXPECT_EQ(StateOf(0), kInMaintenance);
  EXPECT_THAT(Holders(block), SizeIs(2));
}

TEST_F(DeparturesTest, WhoIsStillAwayWhenItsMaintenanceEndsIsRepairedLikeAnyDeadNode) {
  Start(4);
  const BlockVersion block = Write("/f", 2, {0, 1});
  SetHosts({{0, "IN_MAINTENANCE", nn().clock().Now() + absl::Hours(1)}});
  Pass(absl::Seconds(6));
  dead_.insert(0);
  Pass(absl::Minutes(59));
  EXPECT_THAT(Holders(block), SizeIs(2));
  Pass(absl::Minutes(3));
  EXPECT_EQ(StateOf(0), kInService);
  const auto health = nn().impl().DescribeBlock(kSuper, block.id).value;
  ASSERT_OK(health);
  EXPECT_EQ(health->counts.live, 2u) << "a new one in its place";
}

TEST_F(DeparturesTest, AfterARestartItGoesOn) {
  Start(4);
  Write("/f", 3, {0, 1, 2});
  SetHosts({{0, "DECOMMISSIONED"}});
  Pass(absl::Minutes(1));
  EXPECT_EQ(StateOf(0), kDecommissioned);
  const std::vector<Wish> wishes{{0, "DECOMMISSIONED"}};
  nn().Restart();  // the rules are read again by then
  SetHosts(wishes);
  nn().SendFullReports();
  EXPECT_EQ(StateOf(0), kDecommissioning);
  Pass(absl::Minutes(3));
  EXPECT_EQ(StateOf(0), kDecommissioned);
}

TEST_F(DeparturesTest, ManyBlocksAreCopiedFirst) {
  Start(3);
  for (int i = 0; i < 300; ++i) Write(absl::StrCat("/f", i), 1, {0});
  SetHosts({{0, "DECOMMISSIONED"}});
  for (int step = 0; step < 200 && StateOf(0) == kDecommissioning; ++step) Pass(absl::Seconds(3));
  EXPECT_EQ(StateOf(0), kDecommissioned);
}

}  // namespace
}  // namespace cairn::namenode
