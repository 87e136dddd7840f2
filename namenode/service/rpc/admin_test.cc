#include <string>

#include "namenode/service/rpc/testing/edge_fixture.h"

namespace cairn::namenode {
namespace {

using ::testing::StartsWith;

class AdminTest : public EdgeTest {
 protected:
  template <typename Response>
  Response Get(absl::string_view method) {
    return Parse<Response>(CallBytes(method, ""));
  }
  hdfs::GetDatanodeReportResponseProto Report(hdfs::DatanodeReportTypeProto type) {
    hdfs::GetDatanodeReportRequestProto request;
    request.set_type(type);
    return Ask<hdfs::GetDatanodeReportResponseProto>("getDatanodeReport", request);
  }
};

TEST_F(AdminTest, FsStatsAreForEverybody) {
  AddDatanodes();
  namenode_.superuser = false;
  namenode_.totals.by_need[static_cast<size_t>(Need::kHighest)] = 6;
  namenode_.totals.by_need[static_cast<size_t>(Need::kLow)] = 1;
  namenode_.totals.by_need[static_cast<size_t>(Need::kMissing)] = 3;
  namenode_.totals.by_need[static_cast<size_t>(Need::kSurplus)] = 100;
  namenode_.totals.missing_single = 4;
  namenode_.totals.corrupt_blocks = 2;
  namenode_.totals.pending_deletions = 5;
  const auto stats = Get<hdfs::GetFsStatsResponseProto>("getFsStats");
  EXPECT_EQ(stats.capacity(), 3000u);
  EXPECT_EQ(stats.used(), 30u);
  EXPECT_EQ(stats.remaining(), 2700u);
  EXPECT_EQ(stats.under_replicated(), 10u) << "missing ones too, as HDFS counts them";
  EXPECT_EQ(stats.missing_blocks(), 3u);
  EXPECT_EQ(stats.missing_repl_one_blocks(), 4u);
  const auto blocks =
      Get<hdfs::GetFsReplicatedBlockStatsResponseProto>("getFsReplicatedBlockStats");
  EXPECT_EQ(blocks.corrupt_blocks(), 2u);
  EXPECT_EQ(blocks.pending_deletion_blocks(), 5u);
  EXPECT_EQ(blocks.highest_prio_low_redundancy_blocks(), 6u);
  EXPECT_EQ(blocks.low_redundancy(), 7u) << "without the missing ones, as HDFS counts them here";
  const auto groups = Get<hdfs::GetFsECBlockGroupStatsResponseProto>("getFsECBlockGroupStats");
  EXPECT_EQ(groups.missing_blocks(), 0u);
}

// What is said of blocks is not said of units, nor the other way round.
TEST_F(AdminTest, BlockGroupsAreCountedApartAndOnceEach) {
  HealthTotals& totals = namenode_.totals;
  const auto set = [&](Need need, uint64_t all, uint64_t units, uint64_t groups) {
    totals.by_need[static_cast<size_t>(need)] = all;
    totals.groups.units_by_need[static_cast<size_t>(need)] = units;
    totals.groups.by_need[static_cast<size_t>(need)] = groups;
  };
  set(Need::kHighest, 10, 6, 3);
  set(Need::kVeryLow, 5, 4, 2);
  set(Need::kBadlySpread, 9, 8, 7);
  set(Need::kMissing, 30, 28, 5);
  set(Need::kSurplus, 100, 50, 40);
  totals.corrupt_blocks = 9;
  totals.groups.corrupt_units = 7;
  totals.groups.corrupt = 4;
  totals.pending_deletions = 20;
  totals.groups.pending_deletions = 12;

  const auto groups = Get<hdfs::GetFsECBlockGroupStatsResponseProto>("getFsECBlockGroupStats");
  EXPECT_EQ(groups.low_redundancy(), 12u);
  EXPECT_EQ(groups.corrupt_blocks(), 4u);
  EXPECT_EQ(groups.missing_blocks(), 5u);
  EXPECT_EQ(groups.blocks_in_future(), 0u);
  EXPECT_EQ(groups.pending_deletion_blocks(), 12u);
  EXPECT_EQ(groups.highest_prio_low_redundancy_blocks(), 3u);
  const auto blocks =
      Get<hdfs::GetFsReplicatedBlockStatsResponseProto>("getFsReplicatedBlockStats");
  EXPECT_EQ(blocks.low_redundancy(), 6u);
  EXPECT_EQ(blocks.corrupt_blocks(), 2u);
  EXPECT_EQ(blocks.missing_blocks(), 2u);
  EXPECT_EQ(blocks.pending_deletion_blocks(), 8u);
  EXPECT_EQ(blocks.highest_prio_low_redundancy_blocks(), 4u);
  const auto all = Get<hdfs::GetFsStatsResponseProto>("getFsStats");
  EXPECT_EQ(all.under_replicated(), 6u + 12 + 2 + 5);
  EXPECT_EQ(all.corrupt_blocks(), 6u);
  EXPECT_EQ(all.missing_blocks(), 7u);
  EXPECT_EQ(all.pending_deletion_blocks(), 20u);
}

// The largest page is 1000 files; clients take an empty one for the end.
TEST_F(AdminTest, OpenFilesBelowAPathAreListedByInodeAndNoPageBeforeTheLastIsEmpty) {
  for (uint64_t id = 1; id <= 2500; ++id) {
    namenode_.open_files.push_back(
        {InodeId{id}, absl::StrCat(id > 2400 ? "/z/f" : "/a/f", id), "writer", "10.1.1.1"});
  }
  hdfs::ListOpenFilesRequestProto request;
  request.set_id(0);
  request.add_types(hdfs::ALL_OPEN_FILES);
  const auto all = Ask<hdfs::ListOpenFilesResponseProto>("listOpenFiles", request);
  EXPECT_EQ(namenode_.last_call(), "ListOpenFiles(0, 0, 1000)");
  EXPECT_EQ(all.entries_size(), 1000);
  EXPECT_TRUE(all.hasmore());
  EXPECT_EQ(all.entries(999).id(), 1000);
  EXPECT_EQ(all.entries(999).path(), "/a/f1000");
  EXPECT_EQ(all.entries(999).clientname(), "writer");
  EXPECT_EQ(all.entries(999).clientmachine(), "10.1.1.1");

  request.set_path("/z");
  const auto few = Ask<hdfs::ListOpenFilesResponseProto>("listOpenFiles", request);
  EXPECT_EQ(few.entries_size(), 100);
  EXPECT_FALSE(few.hasmore());
  request.set_path("/");
  request.set_id(2500);
  const auto none = Ask<hdfs::ListOpenFilesResponseProto>("listOpenFiles", request);
  EXPECT_EQ(none.entries_size(), 0);
  EXPECT_FALSE(none.hasmore());
  request.set_id(-7);
  EXPECT_EQ(Ask<hdfs::ListOpenFilesResponseProto>("listOpenFiles", request).entries(0).id(), 1);
}

TEST_F(AdminTest, OpenFilesAreListedBySuperusersByWhatKindTheyAskFor) {
  hdfs::ListOpenFilesRequestProto request;
  request.set_id(5);
  request.add_types(hdfs::BLOCKING_DECOMMISSION);
  const auto blocking = Ask<hdfs::ListOpenFilesResponseProto>("listOpenFiles", request);
  EXPECT_EQ(namenode_.last_call(), "ListOpenFiles(5, 1, 1000)");
  EXPECT_EQ(blocking.types(0), hdfs::BLOCKING_DECOMMISSION);
  request.add_types(hdfs::ALL_OPEN_FILES);
  Call("listOpenFiles", request);
  EXPECT_EQ(namenode_.last_call(), "ListOpenFiles(5, 0, 1000)");
  request.clear_types();  // as older clients
  Call("listOpenFiles", request);
  EXPECT_EQ(namenode_.last_call(), "ListOpenFiles(5, 0, 1000)");
  namenode_.calls.clear();
  namenode_.superuser = false;
  EXPECT_THAT(Call("listOpenFiles", request).status, IsFsError(FsError::kAccessControl));
  EXPECT_TRUE(namenode_.calls.empty());
}

TEST_F(AdminTest, TheBandwidthForBalanceIsForSuperusersToSet) {
  hdfs::SetBalancerBandwidthRequestProto request;
  request.set_bandwidth(5000);
  Ask<hdfs::SetBalancerBandwidthResponseProto>("setBalancerBandwidth", request);
  EXPECT_THAT(namenode_.calls, ::testing::ElementsAre("SetBalancerBandwidth(5000)"));
  namenode_.calls.clear();
  request.set_bandwidth(0);
  Ask<hdfs::SetBalancerBandwidthResponseProto>("setBalancerBandwidth", request);
  request.set_bandwidth(-1);
  EXPECT_EQ(GetFsError(Call("setBalancerBandwidth", request).status), FsError::kIllegalArgument);
  namenode_.superuser = false;
  request.set_bandwidth(5000);
  EXPECT_EQ(GetFsError(Call("setBalancerBandwidth", request).status), FsError::kAccessControl);
  EXPECT_THAT(namenode_.calls, ::testing::IsEmpty());
}

TEST_F(AdminTest, DatanodeReport) {
  AddDatanodes();
  const auto live = Report(hdfs::DATANODE_REPORT_LIVE);
  ASSERT_EQ(live.di_size(), 2);
  EXPECT_EQ(live.di(1).id().datanodeuuid(), "dn-2");
  EXPECT_EQ(live.di(1).capacity(), 2000u);
  EXPECT_EQ(live.di(1).xceivercount(), 2u);
  EXPECT_EQ(live.di(1).location(), "/default-rack");
  EXPECT_GT(live.di(1).lastupdate(), 0u);
  EXPECT_EQ(Report(hdfs::DATANODE_REPORT_ALL).di_size(), 2);
  EXPECT_EQ(Report(hdfs::DATANODE_REPORT_DEAD).di_size(), 0);
  EXPECT_EQ(Report(hdfs::DATANODE_REPORT_DECOMMISSIONING).di_size(), 0);
  namenode_.PassTime(absl::Minutes(6));
  EXPECT_EQ(Report(hdfs::DATANODE_REPORT_LIVE).di_size(), 0);
  EXPECT_EQ(Report(hdfs::DATANODE_REPORT_DEAD).di_size(), 2);
}

TEST_F(AdminTest, ReportsTellWhoIsLeaving) {
  AddDatanodes();
  auto rules = HostRules::ParseJson(
      R"({"hostName": "10.0.0.2", "adminState": "DECOMMISSIONED"}
         {"hostName": "10.0.0.1", "adminState": "IN_MAINTENANCE"})",
      "hosts");
  ASSERT_OK(rules);
  namenode_.cluster().SetHostRules(std::make_shared<const HostRules>(*std::move(rules)));
  const auto leaving = Report(hdfs::DATANODE_REPORT_DECOMMISSIONING);
  ASSERT_EQ(leaving.di_size(), 1);
  EXPECT_EQ(leaving.di(0).id().datanodeuuid(), "dn-2");
  EXPECT_EQ(leaving.di(0).adminstate(), hdfs::DatanodeInfoProto::DECOMMISSION_INPROGRESS);
  const auto entering = Report(hdfs::DATANODE_REPORT_ENTERING_MAINTENANCE);
  ASSERT_EQ(entering.di_size(), 1);
  EXPECT_EQ(entering.di(0).adminstate(), hdfs::DatanodeInfoProto::ENTERING_MAINTENANCE);
  EXPECT_EQ(Report(hdfs::DATANODE_REPORT_IN_MAINTENANCE).di_size(), 0);
  EXPECT_EQ(Report(hdfs::DATANODE_REPORT_LIVE).di_size(), 2);
  EXPECT_EQ(Get<hdfs::GetFsStatsResponseProto>("getFsStats").capacity(), 0u);
}

TEST_F(AdminTest, RefreshNodesIsForTheSuperuserAndTellsWhatIsWrong) {
  absl::Status result = absl::InvalidArgumentError("/etc/hosts.json:3: unknown field x");
  int calls = 0;
  MakeService({.refresh_nodes = [&] {
    ++calls;
    return result;
  }});
  const FakeAnswer refused = CallBytes("refreshNodes", "");
  EXPECT_THAT(refused.status, IsFsError(FsError::kIo));
  EXPECT_EQ(refused.status.message(), "/etc/hosts.json:3: unknown field x");
  result = absl::OkStatus();
  EXPECT_OK(CallBytes("refreshNodes", "").status);
  namenode_.superuser = false;
  EXPECT_THAT(CallBytes("refreshNodes", "").status, IsFsError(FsError::kAccessControl));
  EXPECT_EQ(calls, 2);
}

TEST_F(AdminTest, DatanodeStorageReport) {
  AddDatanodes();
  hdfs::GetDatanodeStorageReportRequestProto request;
  request.set_type(hdfs::DATANODE_REPORT_LIVE);
  const auto report =
      Ask<hdfs::GetDatanodeStorageReportResponseProto>("getDatanodeStorageReport", request);
  ASSERT_EQ(report.datanodestoragereports_size(), 2);
  EXPECT_EQ(report.datanodestoragereports(1).storagereports(0).storageuuid(), "DS-2");
}

TEST_F(AdminTest, ReportsAreForTheSuperuser) {
  namenode_.superuser = false;
  hdfs::GetDatanodeReportRequestProto report;
  report.set_type(hdfs::DATANODE_REPORT_ALL);
  const FakeAnswer answer = Call("getDatanodeReport", report);
  EXPECT_THAT(answer.status, IsFsError(FsError::kAccessControl));
  EXPECT_EQ(answer.status.message(),
            "Access denied for user alice. Superuser privilege is required");
  EXPECT_THAT(Call("getDatanodeStorageReport", report).status, IsFsError(FsError::kAccessControl));
  EXPECT_THAT(CallBytes("getSlowDatanodeReport", "").status, IsFsError(FsError::kAccessControl));
  EXPECT_THAT(CallBytes("listEncryptionZones", "").status, IsFsError(FsError::kAccessControl));
}

TEST_F(AdminTest, SafeModeAsksTheNamenodeAndTellsTheState) {
  namenode_.safe_mode.on = true;
  hdfs::SetSafeModeRequestProto request;
  request.set_action(hdfs::SAFEMODE_GET);
  EXPECT_TRUE(Ask<hdfs::SetSafeModeResponseProto>("setSafeMode", request).result());
  EXPECT_EQ(namenode_.last_call(),
            absl::StrCat("SafeMode(", static_cast<int>(SafeModeAction::kGet), ")"));
  namenode_.safe_mode.on = false;
  request.set_action(hdfs::SAFEMODE_FORCE_EXIT);
  EXPECT_FALSE(Ask<hdfs::SetSafeModeResponseProto>("setSafeMode", request).result());
  EXPECT_EQ(namenode_.last_call(),
            absl::StrCat("SafeMode(", static_cast<int>(SafeModeAction::kForceExit), ")"));
}

TEST_F(AdminTest, StoragePoliciesAreThoseThatEveryClientCanDecode) {
  const auto answer = Get<hdfs::GetStoragePoliciesResponseProto>("getStoragePolicies");
  std::string names;
  for (const auto& policy : answer.policies()) {
    absl::StrAppend(&names, policy.policyid(), ":", policy.name(), " ");
    EXPECT_GT(policy.creationpolicy().storagetypes_size(), 0);
  }
  EXPECT_EQ(names, "1:PROVIDED 2:COLD 5:WARM 7:HOT 10:ONE_SSD 12:ALL_SSD 15:LAZY_PERSIST ");
}

TEST_F(AdminTest, StoragePolicyOfAPath) {
  hdfs::GetStoragePolicyRequestProto request;
  request.set_path("/d");
  const auto none = Ask<hdfs::GetStoragePolicyResponseProto>("getStoragePolicy", request);
  EXPECT_EQ(none.storagepolicy().name(), "HOT");
  EXPECT_FALSE(none.storagepolicy().has_creationfallbackpolicy());
  namenode_.policy = 10;
  const auto ssd = Ask<hdfs::GetStoragePolicyResponseProto>("getStoragePolicy", request);
  EXPECT_EQ(ssd.storagepolicy().name(), "ONE_SSD");
  hdfs::SetStoragePolicyRequestProto set;
  set.set_src("/d");
  set.set_policyname("COLD");
  EXPECT_OK(Call("setStoragePolicy", set).status);
  EXPECT_EQ(namenode_.last_call(), "SetStoragePolicy(/d, COLD)");
}

TEST_F(AdminTest, FeaturesThatAreOffAreEmptyAnswers) {
  for (const char* method :
       {"getEZForPath", "getDelegationToken", "getDataEncryptionKey", "getSlowDatanodeReport"}) {
    const FakeAnswer answer = CallBytes(method, "\x0a\x01/");
    EXPECT_OK(answer.status) << method;
    EXPECT_EQ(answer.bytes, "") << method;
  }
  EXPECT_FALSE(Get<hdfs::ListEncryptionZonesResponseProto>("listEncryptionZones").hasmore());
  EXPECT_EQ(Get<hdfs::GetHAServiceStateResponseProto>("getHAServiceState").state(),
            hdfs::HA_STATE_ACTIVE);
}

TEST_F(AdminTest, AclsAreOffInHdfsOwnWords) {
  for (const char* method : {"getAclStatus", "setAcl", "removeAcl", "removeDefaultAcl",
                             "modifyAclEntries", "removeAclEntries"}) {
    const FakeAnswer answer = CallBytes(method, "");
    EXPECT_THAT(answer.status, IsFsError(FsError::kAcl)) << method;
    EXPECT_THAT(std::string(answer.status.message()),
                StartsWith("The ACL operation has been rejected.  Support for ACLs has been"));
  }
}

}  // namespace
}  // namespace cairn::namenode
