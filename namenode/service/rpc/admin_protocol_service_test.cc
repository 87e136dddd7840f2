#include "namenode/service/rpc/admin_protocol_service.h"

#include "namenode/service/rpc/testing/edge_fixture.h"
#include "proto/admin.pb.h"

namespace cairn::namenode {
namespace {

class AdminProtocolTest : public EdgeTest {
 protected:
  template <typename Response>
  Response AskAdmin(absl::string_view method, const google::protobuf::MessageLite& request) {
    return Parse<Response>(CallAdmin(method, request));
  }
  FakeAnswer CallAdmin(absl::string_view method, const google::protobuf::MessageLite& request) {
    return CallAdminBytes(method, request.SerializeAsString());
  }
  FakeAnswer CallAdminBytes(absl::string_view method, absl::string_view request) {
    FakeReply reply;
    admin_.Handle({.principal = principal_, .remote_ip = "10.1.2.3"}, method, request, reply);
    EXPECT_TRUE(reply.answer().given) << method;
    return reply.answer();
  }

  // A block of a file with a good replica on datanode 1 and a bad one on datanode 2.
  BlockHealth Health() {
    BlockHealth health;
    health.block = {BlockId{7}, GenerationStamp{1001}, 5};
    health.file = InodeId{16390};
    health.path = "/a/f";
    health.wanted = 2;
    const std::shared_ptr<const ClusterView> cluster = namenode_.cluster().View();
    for (const uint32_t storage : {1u, 2u}) {
      const StorageLocation* const at = cluster->Find(storage);
      ReplicaHealth replica;
      replica.storage = storage;
      replica.standing = storage == 1 ? Standing::kLive : Standing::kCorrupt;
      replica.storage_uuid = at->storage_uuid;
      replica.node = at->node;
      health.replicas.push_back(replica);
    }
    health.need = Need::kLow;
    BlockHealth::Queued queued;
    queued.since = absl::Seconds(3);
    queued.blocked_by = "no room";
    health.queued = queued;
    health.copies = {{1, 2, absl::Milliseconds(20), absl::Seconds(30)}};
    return health;
  }

  // A file of one group, which has so many bytes.
  void LocateGroup(uint64_t bytes) {
    LocatedBlock group;
    group.block = {kGroup, GenerationStamp{1001}, bytes};
    group.erasure = &policy_;
    namenode_.located.file_length = bytes;
    namenode_.located.blocks = {group};
    namenode_.located.last = group;
    namenode_.located.last_complete = true;
    namenode_.located.erasure = &policy_;
  }
  // The namenode knows this unit; without any it would know all.
  void AddUnit(uint32_t unit, std::optional<Need> need, BlockId group = kGroup) {
    BlockHealth& health = namenode_.healths[UnitOf(group, unit)];
    if (namenode_.cluster().View()->Find(1) != nullptr) health = Health();
    health.block.id = UnitOf(group, unit);
    health.path = "/a/f";
    health.need = need;
  }

  static constexpr uint64_t kCell = 1 << 20;
  static constexpr BlockId kGroup = MakeGroupId(7);
  const erasure::Policy policy_{
      .id = 2,
      .name = "RS-3-2-1024k",
      .schema = {.codec = erasure::Codec::kReedSolomon, .data_units = 3, .parity_units = 2},
      .cell_bytes = kCell};
  OperationCounters counters_;
  FakeClock clock_;
  AdminProtocolService admin_{namenode_,
                              counters_,
                              clock_,
                              {.version = "1.2",
                               .min_replication = 1,
                               .stale_interval = absl::Seconds(15),
                               .dead_interval = absl::Minutes(5)}};
};

TEST_F(AdminProtocolTest, AFileIsDescribedBlockByBlock) {
  AddDatanodes();
  namenode_.status = SomeFile();
  LocatedBlock block;
  block.block = {BlockId{7}, GenerationStamp{1001}, 5};
  namenode_.located.file_length = 5;
  namenode_.located.blocks = {block};
  namenode_.located.last = block;
  namenode_.located.last_complete = true;
  namenode_.health = Health();
  namenode_.ticket = 9;
  admin::DescribeFileRequest request;
  request.set_path("/a/f");
  const FakeAnswer answer = CallAdmin("describeFile", request);
  EXPECT_EQ(answer.ticket, 9u);
  const auto response = Parse<admin::DescribeFileResponse>(answer);
  EXPECT_EQ(response.length(), 5u);
  EXPECT_EQ(response.replication(), 3u);
  EXPECT_EQ(response.block_pool(), kPool);
  EXPECT_FALSE(response.more());
  ASSERT_EQ(response.blocks_size(), 1);
  const admin::Block& told = response.blocks(0);
  EXPECT_EQ(told.id(), 7u);
  EXPECT_EQ(told.need(), admin::LOW);
  EXPECT_TRUE(told.queued());
  EXPECT_EQ(told.known_for_ms(), 3000u);
  EXPECT_EQ(told.blocked_by(), "no room");
  ASSERT_EQ(told.replicas_size(), 2);
  EXPECT_EQ(told.replicas(0).ip(), "10.0.0.1");
  EXPECT_EQ(told.replicas(0).standing(), admin::LIVE);
  EXPECT_EQ(told.replicas(1).standing(), admin::CORRUPT);
  EXPECT_EQ(told.replicas(1).storage_type(), 2u);
  ASSERT_EQ(told.copies_size(), 1);
  EXPECT_EQ(told.copies(0).source(), "10.0.0.1:9866");
}

TEST_F(AdminProtocolTest, ALongFileComesInPages) {
  namenode_.status = SomeFile();
  for (uint64_t i = 0; i < AdminProtocolService::kBlocksPerPage + 10; ++i) {
    LocatedBlock block;
    block.block = {BlockId{i + 1}, GenerationStamp{1001}, 1};
    block.offset = i;
    namenode_.located.blocks.push_back(block);
  }
  namenode_.located.file_length = namenode_.located.blocks.size();
  namenode_.located.last = namenode_.located.blocks.back();
  namenode_.located.last_complete = true;
  admin::DescribeFileRequest request;
  request.set_path("/long");
  const auto response = AskAdmin<admin::DescribeFileResponse>("describeFile", request);
  EXPECT_EQ(response.blocks_size(), static_cast<int>(AdminProtocolService::kBlocksPerPage));
  EXPECT_TRUE(response.more());
}

TEST_F(AdminProtocolTest, AGroupIsDescribedUnitByUnit) {
  AddDatanodes();
  namenode_.status = SomeFile();
  LocateGroup(kCell + 5);  // of unit 2 there is nothing
  AddUnit(0, Need::kHighest);
  AddUnit(1, Need::kVeryLow);
  AddUnit(3, std::nullopt);
  admin::DescribeFileRequest request;
  request.set_path("/a/f");
  auto response = AskAdmin<admin::DescribeFileResponse>("describeFile", request);
  EXPECT_EQ(response.erasure_policy(), "RS-3-2-1024k");
  ASSERT_EQ(response.blocks_size(), 1);
  const admin::Block& group = response.blocks(0);
  EXPECT_EQ(group.id(), ToInt(kGroup));
  EXPECT_EQ(group.length(), kCell + 5);
  EXPECT_EQ(group.units_needed(), 2u);
  EXPECT_EQ(group.wanted(), 4u) << "two of data, two of parity";
  EXPECT_EQ(group.need(), admin::HIGHEST);
  EXPECT_EQ(group.replicas_size(), 0);
  EXPECT_FALSE(group.under_construction());
  ASSERT_EQ(group.units_size(), 3);
  EXPECT_EQ(group.units(1).id(), ToInt(UnitOf(kGroup, 1)));
  EXPECT_EQ(group.units(2).id(), ToInt(UnitOf(kGroup, 3)));
  EXPECT_EQ(group.units(0).replicas_size(), 2);

  AddUnit(4, Need::kMissing);
  response = AskAdmin<admin::DescribeFileResponse>("describeFile", request);
  EXPECT_EQ(response.blocks(0).need(), admin::MISSING);
  namenode_.healths.clear();
  namenode_.healths[BlockId{1}];  // all units were cut off since
  response = AskAdmin<admin::DescribeFileResponse>("describeFile", request);
  EXPECT_EQ(response.blocks_size(), 0);
}

TEST_F(AdminProtocolTest, OfAGroupThatIsBeingWrittenAllUnitsAreWanted) {
  AddDatanodes();
  namenode_.status = SomeFile();
  LocateGroup(1);
  AddUnit(0, std::nullopt);
  namenode_.healths.begin()->second.under_construction = true;
  namenode_.healths.begin()->second.recovery_waits_for = "unit 3";
  admin::DescribeFileRequest request;
  request.set_path("/a/f");
  const auto response = AskAdmin<admin::DescribeFileResponse>("describeFile", request);
  ASSERT_EQ(response.blocks_size(), 1);
  EXPECT_TRUE(response.blocks(0).under_construction());
  EXPECT_EQ(response.blocks(0).wanted(), 5u);
  EXPECT_EQ(response.blocks(0).recovery_waits_for(), "unit 3");
}

TEST_F(AdminProtocolTest, AGroupTellsOfTheContradictionThatItsUnitsTellOf) {
  AddDatanodes();
  namenode_.status = SomeFile();
  LocateGroup(1);
  AddUnit(0, std::nullopt);
  namenode_.healths.begin()->second.contradiction = "unit 2 is wrong";
  namenode_.totals.groups.contradicting = 7;
  admin::DescribeFileRequest request;
  request.set_path("/a/f");
  const auto response = AskAdmin<admin::DescribeFileResponse>("describeFile", request);
  ASSERT_EQ(response.blocks_size(), 1);
  EXPECT_EQ(response.blocks(0).contradiction(), "unit 2 is wrong");
  EXPECT_EQ(response.blocks(0).units(0).contradiction(), "unit 2 is wrong");
  const auto cluster =
      AskAdmin<admin::DescribeClusterResponse>("describeCluster", admin::DescribeClusterRequest());
  EXPECT_EQ(cluster.contradicting_groups(), 7u);
}

TEST_F(AdminProtocolTest, APageOfGroupsHasAsManyUnitsAsOneOfBlocks) {
  namenode_.status = SomeFile();
  LocateGroup(1);
  const LocatedBlock group = namenode_.located.blocks[0];
  for (uint64_t i = 1; i < 100; ++i) {
    namenode_.located.blocks.push_back(group);
    namenode_.located.blocks.back().offset = i;
  }
  namenode_.located.file_length = 100;
  admin::DescribeFileRequest request;
  request.set_path("/a/f");
  const auto response = AskAdmin<admin::DescribeFileResponse>("describeFile", request);
  EXPECT_EQ(response.blocks_size(), static_cast<int>(AdminProtocolService::kBlocksPerPage / 5));
  EXPECT_TRUE(response.more());
}

TEST_F(AdminProtocolTest, ADirectoryIsNoFileToDescribe) {
  namenode_.status = SomeDirectory();
  admin::DescribeFileRequest request;
  request.set_path("/d");
  EXPECT_EQ(GetFsError(CallAdmin("describeFile", request).status), FsError::kFileNotFound);
}

TEST_F(AdminProtocolTest, ABlockIsFoundByItsIdOrNot) {
  AddDatanodes();
  namenode_.health = Health();
  admin::DescribeBlockRequest request;
  request.set_block_id(7);
  const auto found = AskAdmin<admin::DescribeBlockResponse>("describeBlock", request);
  EXPECT_TRUE(found.found());
  EXPECT_EQ(found.path(), "/a/f");
  namenode_.error = MakeFsError(FsError::kFileNotFound, "no file has it");
  EXPECT_FALSE(AskAdmin<admin::DescribeBlockResponse>("describeBlock", request).found());
}

TEST_F(AdminProtocolTest, LostBlocksAreThoseThatCannotBeReadBelowThePath) {
  AddDatanodes();
  namenode_.in_need = {BlockId{7}};
  namenode_.health = Health();
  namenode_.health.counts.readable = 0;
  admin::ListLostBlocksRequest request;
  request.set_below("/a");
  auto response = AskAdmin<admin::ListLostBlocksResponse>("listLostBlocks", request);
  ASSERT_EQ(response.blocks_size(), 1);
  EXPECT_EQ(response.blocks(0).path(), "/a/f");
  EXPECT_EQ(response.next_after(), 7u);
  EXPECT_FALSE(response.more());
  request.set_below("/b");
  EXPECT_EQ(AskAdmin<admin::ListLostBlocksResponse>("listLostBlocks", request).blocks_size(), 0);
  request.set_below("");
  namenode_.health.counts.readable = 1;
  EXPECT_EQ(AskAdmin<admin::ListLostBlocksResponse>("listLostBlocks", request).blocks_size(), 0);
}

TEST_F(AdminProtocolTest, ALostGroupIsToldOnceAndAUnitThatIsComputedIsNot) {
  for (const uint32_t unit : {0, 2, 3}) {
    AddUnit(unit, Need::kMissing);
    namenode_.in_need.push_back(UnitOf(kGroup, unit));
  }
  const BlockId other = BlockId{ToInt(kGroup) + 16};
  AddUnit(1, Need::kHighest, other);
  namenode_.in_need.push_back(UnitOf(other, 1));
  const auto response =
      AskAdmin<admin::ListLostBlocksResponse>("listLostBlocks", admin::ListLostBlocksRequest());
  ASSERT_EQ(response.blocks_size(), 1);
  EXPECT_EQ(response.blocks(0).id(), ToInt(kGroup));

  hdfs::ListCorruptFileBlocksRequestProto asked;
  asked.set_path("/");
  EXPECT_EQ(Parse<hdfs::ListCorruptFileBlocksResponseProto>(Call("listCorruptFileBlocks", asked))
                .corrupt()
                .files_size(),
            1);
}

TEST_F(AdminProtocolTest, APageOfLostBlocksEndsWhereAGroupDoes) {
  constexpr uint64_t kPage = 100;
  for (uint64_t i = 0; i + 1 < kPage; ++i) namenode_.in_need.push_back(BlockId{i + 1});
  for (const uint32_t unit : {0, 1}) {
    AddUnit(unit, Need::kMissing);
    namenode_.in_need.push_back(UnitOf(kGroup, unit));
  }
  admin::ListLostBlocksRequest request;
  auto response = AskAdmin<admin::ListLostBlocksResponse>("listLostBlocks", request);
  EXPECT_TRUE(response.more());
  ASSERT_EQ(response.blocks_size(), 1);
  request.set_after(response.next_after());
  response = AskAdmin<admin::ListLostBlocksResponse>("listLostBlocks", request);
  EXPECT_EQ(response.blocks_size(), 0);
  EXPECT_FALSE(response.more());
}

TEST_F(AdminProtocolTest, TheClusterIsDescribedToEverybody) {
  AddDatanodes();
  namenode_.superuser = false;
  namenode_.totals.by_need[static_cast<size_t>(Need::kMissing)] = 4;
  const auto response =
      AskAdmin<admin::DescribeClusterResponse>("describeCluster", admin::DescribeClusterRequest());
  EXPECT_EQ(response.version(), "1.2");
  EXPECT_EQ(response.dead_interval_ms(), 300'000u);
  ASSERT_EQ(response.nodes_size(), 2);
  ASSERT_EQ(response.nodes(0).storages_size(), 1);
  EXPECT_EQ(response.blocks_by_need(admin::MISSING), 4u);
  EXPECT_EQ(response.open_file_limit(), 0u);
  namenode_.superuser = true;
  EXPECT_GT(
      AskAdmin<admin::DescribeClusterResponse>("describeCluster", admin::DescribeClusterRequest())
          .open_file_limit(),
      0u);
}

TEST_F(AdminProtocolTest, TheJournalsDirectoriesAreForSuperusers) {
  AdminProtocolService service(
      namenode_, counters_, clock_, {.journals = [] {
        return std::vector<AdminProtocolService::Journal>{{"/a", 17, ""}, {"/b", 12, "disk full"}};
      }});
  const auto ask = [&] {
    FakeReply reply;
    service.Handle({.principal = principal_, .remote_ip = "10.1.2.3"}, "describeCluster", "",
                   reply);
    return Parse<admin::DescribeClusterResponse>(reply.answer());
  };
  const auto response = ask();
  ASSERT_EQ(response.journals_size(), 2);
  EXPECT_EQ(response.journals(0).path(), "/a");
  EXPECT_EQ(response.journals(0).dropped(), "");
  EXPECT_EQ(response.journals(1).last_txid(), 12u);
  EXPECT_EQ(response.journals(1).dropped(), "disk full");
  namenode_.superuser = false;
  EXPECT_EQ(ask().journals_size(), 0);
}

TEST_F(AdminProtocolTest, HowFarANodeIsOnItsWayOutIsTold) {
  AddDatanodes();
  LeaveProgress progress{.uuid = "dn-2", .state = AdminState::kInService};
  progress.since = absl::Seconds(7);
  progress.blocks_left = 5;
  progress.bytes_left = 500;
  progress.last_copies = 1;
  progress.bytes_per_second = 50.5;
  progress.blocked_by = "/secret/f is being written";
  namenode_.leaving = {progress};
  const auto ask = [&] {
    return AskAdmin<admin::DescribeClusterResponse>("describeCluster",
                                                    admin::DescribeClusterRequest());
  };
  auto response = ask();
  EXPECT_FALSE(response.nodes(0).has_leaving());
  ASSERT_TRUE(response.nodes(1).has_leaving());
  const admin::LeaveFacts& leaving = response.nodes(1).leaving();
  EXPECT_EQ(leaving.since_ms(), 7000u);
  EXPECT_EQ(leaving.blocks_left(), 5u);
  EXPECT_EQ(leaving.bytes_left(), 500u);
  EXPECT_EQ(leaving.last_copies(), 1u);
  EXPECT_EQ(leaving.bytes_per_second(), 50u);
  EXPECT_FALSE(leaving.has_ends_in_ms());
  EXPECT_EQ(leaving.blocked_by(), "/secret/f is being written");
  namenode_.leaving[0].ends_in = absl::Seconds(10);
  namenode_.superuser = false;
  response = ask();
  EXPECT_EQ(response.nodes(1).leaving().ends_in_ms(), 10'000u);
  EXPECT_EQ(response.nodes(1).leaving().blocked_by(), "") << "paths are not for everybody";
  namenode_.leaving[0].state = AdminState::kDecommissioning;  // it was seen out since
  EXPECT_FALSE(ask().nodes(1).has_leaving());
}

TEST_F(AdminProtocolTest, OperationsAreCountedForSuperusers) {
  counters_.Count("mkdirs", "alice");
  const auto response =
      AskAdmin<admin::GetOperationsResponse>("getOperations", admin::GetOperationsRequest());
  ASSERT_EQ(response.methods_size(), 1);
  EXPECT_EQ(response.methods(0).name(), "mkdirs");
  EXPECT_EQ(response.users(0).calls(), 1u);
}

TEST_F(AdminProtocolTest, ABalancingJobIsBegunAndToldOf) {
  admin::BalanceRequest request;
  request.set_job(42);
  request.set_holder("balancer on here");
  request.set_after_iteration(3);
  request.set_threshold_percent(5);
  request.add_exclude("host-1");
  request.set_most_bytes(1000);
  request.set_moves_per_node(7);
  namenode_.balance.begun = true;
  namenode_.balance.waiting_for = "the moon";
  namenode_.balance.iterations = {{.number = 3,
                                   .ended = absl::FromUnixMillis(17),
                                   .bytes_left = 9,
                                   .bytes_planned = 8,
                                   .bytes_moved = 7,
                                   .bytes_moved_before = 6}};
  const auto response = AskAdmin<admin::BalanceResponse>("balance", request);
  EXPECT_THAT(namenode_.calls, ::testing::Contains("Balance(42, 3, 0)"));
  EXPECT_EQ(namenode_.balance_job.holder, "balancer on here (user alice at 10.1.2.3)");
  EXPECT_DOUBLE_EQ(namenode_.balance_job.rules.threshold_percent, 5);
  EXPECT_EQ(namenode_.balance_job.rules.exclude.at(0), "host-1");
  EXPECT_EQ(namenode_.balance_job.rules.most_bytes, 1000u);
  EXPECT_EQ(namenode_.balance_job.moves_per_node, 7u);
  EXPECT_EQ(namenode_.balance_job.moves, BalanceJob().moves);
  EXPECT_EQ(response.waiting_for(), "the moon");
  EXPECT_TRUE(response.begun());
  ASSERT_EQ(response.iterations_size(), 1);
  EXPECT_EQ(response.iterations(0).ended_ms(), 17u);
  EXPECT_EQ(response.iterations(0).bytes_moved_before(), 6u);
}

TEST_F(AdminProtocolTest, AJobWithoutANumberOrAThresholdIsRefused) {
  admin::BalanceRequest request;
  request.set_threshold_percent(10);
  EXPECT_EQ(CallAdmin("balance", request).status.code(), absl::StatusCode::kInvalidArgument);
  request.set_job(1);
  for (const double bad : {0.0, 0.9, 101.0, -5.0, std::numeric_limits<double>::quiet_NaN()}) {
    request.set_threshold_percent(bad);
    EXPECT_EQ(CallAdmin("balance", request).status.code(), absl::StatusCode::kInvalidArgument)
        << bad;
  }
}

TEST_F(AdminProtocolTest, OthersAreRefusedWhatIsForSuperusers) {
  namenode_.superuser = false;
  for (const char* method : {"describeBlock", "listLostBlocks", "getOperations", "balance"}) {
    EXPECT_EQ(GetFsError(CallAdminBytes(method, "").status), FsError::kAccessControl) << method;
  }
}

TEST_F(AdminProtocolTest, WhatDoesNotParseOrIsNotKnownFails) {
  EXPECT_EQ(CallAdminBytes("describeFile", "\xff\xff").status.code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(CallAdminBytes("describeFile", std::string(1 << 20, 'x')).status.code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(GetFsError(CallAdminBytes("format", "").status), FsError::kNoSuchMethod);
}

TEST_F(AdminProtocolTest, TheClientProtocolCountsItsCalls) {
  ClientProtocolOptions options;
  options.counters = &counters_;
  MakeService(std::move(options));
  namenode_.status = SomeFile();
  hdfs::GetFileInfoRequestProto request;
  request.set_src("/f");
  Call("getFileInfo", request);
  EXPECT_EQ(counters_.Sum().methods.at(0).first, "getFileInfo");
}

}  // namespace
}  // namespace cairn::namenode
