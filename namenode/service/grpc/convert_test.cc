#include "namenode/service/grpc/convert.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "common/fs_error.h"
#include "common/testing/status_matchers.h"
#include "namenode/service/grpc/status.h"

namespace cairn::namenode {
namespace {

using absl::StatusCode;
using ::testing::HasSubstr;

internal::RegisterRequest Registration() {
  internal::RegisterRequest request;
  request.set_cluster_id("CID-1");
  request.set_block_pool_id("BP-1");
  request.set_layout_version(1);
  request.set_datanode_uuid("node-1");
  auto& address = *request.mutable_address();
  address.set_ip("10.0.0.1");
  address.set_host_name("worker-1");
  address.set_transfer_port(9866);
  address.set_ipc_port(9867);
  auto& storage = *request.add_storages();
  storage.set_storage_uuid("DS-1");
  storage.set_type(2);
  storage.set_capacity_bytes(100);
  storage.set_used_bytes(30);
  storage.set_remaining_bytes(60);
  storage.set_blocks(3);
  return request;
}

TEST(ConvertTest, ARegistrationPassesWholly) {
  ASSERT_OK_AND_ASSIGN(const DatanodeRegistration node, FromProto(Registration(), ""));
  EXPECT_EQ(node.cluster_id, "CID-1");
  EXPECT_EQ(node.block_pool_id, "BP-1");
  EXPECT_EQ(node.layout_version, 1u);
  EXPECT_EQ(node.datanode_uuid, "node-1");
  EXPECT_EQ(node.address.host_name, "worker-1");
  EXPECT_EQ(node.address.ipc_port, 9867u);
  ASSERT_EQ(node.storages.size(), 1u);
  EXPECT_EQ(node.storages[0].type, 2u);
  EXPECT_EQ(node.storages[0].remaining_bytes, 60u);
  EXPECT_EQ(node.storages[0].blocks, 3u);
}

TEST(ConvertTest, AnAddressWithoutAnIpTakesThePeers) {
  internal::RegisterRequest request = Registration();
  request.mutable_address()->clear_ip();
  request.mutable_address()->clear_host_name();
  ASSERT_OK_AND_ASSIGN(const DatanodeRegistration node, FromProto(request, "10.9.9.9"));
  EXPECT_EQ(node.address.ip, "10.9.9.9");
  EXPECT_EQ(node.address.host_name, "10.9.9.9");
  EXPECT_THAT(FromProto(request, ""), StatusIs(StatusCode::kInvalidArgument, HasSubstr("ip")));
}

TEST(ConvertTest, ABadRegistrationIsRefusedAndTheFieldNamed) {
  using Change = std::function<void(internal::RegisterRequest&)>;
  const std::pair<const char*, Change> cases[] = {
      {"datanode_uuid: missing", [](auto& r) { r.clear_datanode_uuid(); }},
      {"datanode_uuid: longer", [](auto& r) { r.set_datanode_uuid(std::string(129, 'x')); }},
      {"datanode_uuid: has", [](auto& r) { r.set_datanode_uuid("a\nb"); }},
      {"cluster_id", [](auto& r) { r.set_cluster_id("a b"); }},
      {"address.ip", [](auto& r) { r.mutable_address()->set_ip("worker-1"); }},
      {"address.ip", [](auto& r) { r.mutable_address()->set_ip(std::string("1.2.3.4\0", 8)); }},
      {"address.transfer_port", [](auto& r) { r.mutable_address()->set_transfer_port(0); }},
      {"address.transfer_port", [](auto& r) { r.mutable_address()->set_transfer_port(65536); }},
      {"address: ipc_port", [](auto& r) { r.mutable_address()->set_ipc_port(70000); }},
      {"storage_uuid", [](auto& r) { r.mutable_storages(0)->clear_storage_uuid(); }},
      {"storage type", [](auto& r) { r.mutable_storages(0)->set_type(0); }},
      {"storage type", [](auto& r) { r.mutable_storages(0)->set_type(7); }},
      {"remaining_bytes",
       [](auto& r) { r.mutable_storages(0)->set_remaining_bytes(~uint64_t{0}); }},
      {"storages: 257",
       [](auto& r) {
         while (r.storages_size() < 257) *r.add_storages() = r.storages(0);
       }},
  };
  for (const auto& [what, change] : cases) {
    internal::RegisterRequest request = Registration();
    change(request);
    EXPECT_THAT(FromProto(request, ""), StatusIs(StatusCode::kInvalidArgument, HasSubstr(what)));
  }
}

TEST(ConvertTest, ChangesKeepTheirOrder) {
  internal::ReportChangesRequest request;
  request.set_datanode_uuid("node-1");
  request.set_session(5);
  request.set_sequence(9);
  auto& storage = *request.add_storages();
  storage.set_storage_uuid("DS-1");
  for (const uint64_t id : {7, 3, 7}) {
    auto& replica = *storage.add_replicas();
    replica.mutable_block()->set_block_id(id);
    replica.mutable_block()->set_generation_stamp(1001);
    replica.mutable_block()->set_length(10 * id);
    replica.set_state(internal::DELETED);
  }
  ASSERT_OK_AND_ASSIGN(const ChangesReport report, FromProto(request));
  EXPECT_EQ(report.session, 5u);
  EXPECT_EQ(report.sequence, 9u);
  ASSERT_EQ(report.storages[0].replicas.size(), 3u);
  EXPECT_EQ(report.storages[0].replicas[1].block.id, BlockId{3});
  EXPECT_EQ(report.storages[0].replicas[1].block.length, 30u);
  EXPECT_EQ(report.storages[0].replicas[2].state, ReplicaState::kDeleted);

  storage.mutable_replicas(0)->set_state(static_cast<internal::ReplicaState>(77));
  EXPECT_THAT(FromProto(request), StatusIs(StatusCode::kInvalidArgument, HasSubstr("77")));
  storage.mutable_replicas(0)->set_state(static_cast<internal::ReplicaState>(-1));
  EXPECT_THAT(FromProto(request), StatusIs(StatusCode::kInvalidArgument));
  storage.mutable_replicas(0)->set_state(internal::FINALIZED);
  storage.mutable_replicas(0)->mutable_block()->set_block_id(0);
  EXPECT_THAT(FromProto(request), StatusIs(StatusCode::kInvalidArgument, HasSubstr("block_id")));
  request.clear_sequence();
  EXPECT_THAT(FromProto(request), StatusIs(StatusCode::kInvalidArgument, HasSubstr("sequence")));
}

TEST(ConvertTest, AFullReportAscendsAndHoldsNothingDeleted) {
  internal::ReportReplicasRequest request;
  request.set_datanode_uuid("node-1");
  request.set_sequence(1);
  request.set_storage_uuid("DS-1");
  request.set_part(2);
  request.set_last(true);
  for (const uint64_t id : {3, 4}) request.add_replicas()->mutable_block()->set_block_id(id);
  ASSERT_OK_AND_ASSIGN(const ReplicasReport report, FromProto(request));
  EXPECT_EQ(report.part, 2u);
  EXPECT_TRUE(report.last);
  EXPECT_EQ(report.replicas.size(), 2u);

  request.mutable_replicas(1)->set_state(internal::DELETED);
  EXPECT_THAT(FromProto(request), StatusIs(StatusCode::kInvalidArgument, HasSubstr("DELETED")));
  request.mutable_replicas(1)->set_state(internal::FINALIZED);
  request.mutable_replicas(1)->mutable_block()->set_block_id(3);
  EXPECT_THAT(FromProto(request), StatusIs(StatusCode::kInvalidArgument, HasSubstr("ascending")));
}

TEST(ConvertTest, EveryOrderIsTranslated) {
  const BlockVersion block{BlockId{7}, GenerationStamp{1001}, 100};
  const ReplicaTarget target{{"10.0.0.2", "w2", 9866, 9867, 0}, "node-2", "DS-2", 2};

  const auto invalidate = ToProto(DatanodeCommand(InvalidateCommand{{block}}));
  EXPECT_EQ(invalidate.invalidate().blocks(0).block_id(), 7u);
  EXPECT_EQ(invalidate.invalidate().blocks(0).generation_stamp(), 1001u);

  const auto replicate = ToProto(DatanodeCommand(ReplicateCommand{block, {target}, 77}));
  EXPECT_EQ(replicate.replicate().balance_bytes_per_second(), 77u);
  EXPECT_EQ(
      ToProto(DatanodeCommand(BalanceBandwidthCommand{88})).balance_bandwidth().bytes_per_second(),
      88u);
  EXPECT_EQ(replicate.replicate().block().length(), 100u);
  EXPECT_EQ(replicate.replicate().targets(0).address().ip(), "10.0.0.2");
  EXPECT_EQ(replicate.replicate().targets(0).storage_uuid(), "DS-2");

  const auto recover =
      ToProto(DatanodeCommand(RecoverCommand{block, GenerationStamp{1009}, {target}}));
  EXPECT_EQ(recover.recover().new_generation_stamp(), 1009u);
  EXPECT_EQ(recover.recover().replicas(0).datanode_uuid(), "node-2");

  const auto truncate = ToProto(DatanodeCommand(TruncateCommand{block, GenerationStamp{1009}, 40}));
  EXPECT_EQ(truncate.truncate().new_length(), 40u);
  EXPECT_TRUE(ToProto(DatanodeCommand(FullReportCommand{})).has_full_report());
  const auto verify = ToProto(DatanodeCommand(VerifyCommand{.block = block}));
  EXPECT_EQ(verify.verify().block().block_id(), 7u);
  EXPECT_EQ(verify.verify().block().generation_stamp(), 1001u);
}

TEST(ConvertTest, AnOrderToRebuildSaysAllThatIsNeededForIt) {
  RebuildCommand command{.group = {MakeGroupId(3), GenerationStamp{1001}, 1'000'000},
                         .schema = {erasure::Codec::kReedSolomonLegacy, 6, 3},
                         .cell_bytes = 65536};
  command.sources.push_back({4, {"10.0.0.1", "w1", 9866, 9867, 0}, "node-1"});
  command.targets.push_back({8, {{"10.0.0.2", "w2", 9877, 9867, 0}, "node-2", "DS-2", 2}});
  const internal::RebuildUnits order = ToProto(DatanodeCommand(command)).rebuild();
  EXPECT_EQ(order.group().block_id(), ToInt(command.group.id));
  EXPECT_EQ(order.group().generation_stamp(), 1001u);
  EXPECT_EQ(order.group().length(), 1'000'000u);
  EXPECT_EQ(order.codec(), "rs-legacy");
  EXPECT_EQ(order.data_units(), 6u);
  EXPECT_EQ(order.parity_units(), 3u);
  EXPECT_EQ(order.cell_bytes(), 65536u);
  ASSERT_EQ(order.sources_size(), 1);
  EXPECT_EQ(order.sources(0).unit(), 4u);
  EXPECT_EQ(order.sources(0).address().ip(), "10.0.0.1");
  EXPECT_EQ(order.sources(0).address().transfer_port(), 9866u);
  EXPECT_EQ(order.sources(0).datanode_uuid(), "node-1");
  ASSERT_EQ(order.targets_size(), 1);
  EXPECT_EQ(order.targets(0).unit(), 8u);
  EXPECT_EQ(order.targets(0).at().address().transfer_port(), 9877u);
  EXPECT_EQ(order.targets(0).at().datanode_uuid(), "node-2");
  EXPECT_EQ(order.targets(0).at().storage_uuid(), "DS-2");
  EXPECT_EQ(order.targets(0).at().storage_type(), 2u);
  EXPECT_FALSE(order.has_cut_from());

  command.cut_from = {MakeGroupId(2), GenerationStamp{900}, 2'000'000};
  const internal::RebuildUnits cut = ToProto(DatanodeCommand(command)).rebuild();
  EXPECT_EQ(cut.cut_from().block_id(), ToInt(MakeGroupId(2)));
  EXPECT_EQ(cut.cut_from().generation_stamp(), 900u);
  EXPECT_EQ(cut.cut_from().length(), 2'000'000u);
}

TEST(ConvertTest, AnOrderToVerifySaysWhoHasWhichUnit) {
  VerifyGroupCommand command{.number = 12,
                             .group = {MakeGroupId(3), GenerationStamp{1001}, 1'000'000},
                             .schema = {erasure::Codec::kXor, 2, 1},
                             .cell_bytes = 65536,
                             .sources = {},
                             .bytes_per_second = 77};
  command.sources.push_back({2, {"10.0.0.1", "w1", 9866, 9867, 0}, "node-1"});
  const internal::VerifyGroup order = ToProto(DatanodeCommand(command)).verify_group();
  EXPECT_EQ(order.bytes_per_second(), 77u);
  EXPECT_EQ(order.number(), 12u);
  EXPECT_EQ(order.group().group().block_id(), ToInt(command.group.id));
  EXPECT_EQ(order.group().group().generation_stamp(), 1001u);
  EXPECT_EQ(order.group().group().length(), 1'000'000u);
  EXPECT_EQ(order.group().codec(), "xor");
  EXPECT_EQ(order.group().data_units(), 2u);
  EXPECT_EQ(order.group().parity_units(), 1u);
  EXPECT_EQ(order.group().cell_bytes(), 65536u);
  ASSERT_EQ(order.group().sources_size(), 1);
  EXPECT_EQ(order.group().sources(0).unit(), 2u);
  EXPECT_EQ(order.group().sources(0).address().transfer_port(), 9866u);
  EXPECT_EQ(order.group().sources(0).datanode_uuid(), "node-1");
  EXPECT_EQ(order.group().targets_size(), 0);
}

TEST(ConvertTest, KnowsTheAddressOfAPeer) {
  EXPECT_EQ(IpOfPeer("ipv4:10.0.0.1:5000"), "10.0.0.1");
  EXPECT_EQ(IpOfPeer("ipv6:%5B::1%5D:5000"), "::1");
  EXPECT_EQ(IpOfPeer("ipv6:[fe80::2]:5000"), "fe80::2");
  EXPECT_EQ(IpOfPeer("unix:/tmp/socket"), "");
  EXPECT_EQ(IpOfPeer("ipv4:"), "");
  EXPECT_EQ(IpOfPeer(""), "");
}

TEST(GrpcStatusTest, CodesAndFsErrorsSurviveTheWay) {
  EXPECT_OK(FromGrpc(ToGrpc(absl::OkStatus())));
  EXPECT_EQ(ToGrpc(absl::AbortedError("stale")).error_code(), grpc::StatusCode::ABORTED);
  EXPECT_THAT(FromGrpc(ToGrpc(absl::AbortedError("stale"))),
              StatusIs(StatusCode::kAborted, HasSubstr("stale")));
  const absl::Status mode = FromGrpc(ToGrpc(MakeFsError(FsError::kSafeMode, "wait")));
  EXPECT_THAT(mode, IsFsError(FsError::kSafeMode));
  EXPECT_EQ(mode.message(), "wait");

  // Details that contradict the code, or make no sense, are not believed.
  const grpc::Status liar(grpc::StatusCode::ABORTED, "m",
                          std::string(1, static_cast<char>(FsError::kSafeMode)));
  EXPECT_EQ(GetFsError(FromGrpc(liar)), FsError::kNone);
  EXPECT_EQ(GetFsError(FromGrpc({grpc::StatusCode::ABORTED, "m", "\xff"})), FsError::kNone);
  EXPECT_EQ(GetFsError(FromGrpc({grpc::StatusCode::ABORTED, "m", "long"})), FsError::kNone);
}

internal::ReportDigestsRequest Digests() {
  internal::ReportDigestsRequest request;
  request.set_datanode_uuid("node-1");
  request.set_session(7);
  request.set_sequence(3);
  request.set_storage_uuid("DS-1");
  request.set_shift(10);
  for (const uint64_t number : {4, 9}) {
    internal::BucketDigest& bucket = *request.add_buckets();
    bucket.set_bucket(number);
    bucket.set_low(number + 1);
    bucket.set_high(number + 2);
    bucket.set_replicas(2);
  }
  internal::ReplicaReport& open = *request.add_others();
  open.mutable_block()->set_block_id(5000);
  open.set_state(internal::BEING_WRITTEN);
  return request;
}

TEST(ConvertTest, DigestsPassWholly) {
  ASSERT_OK_AND_ASSIGN(const DigestReport report, FromProto(Digests()));
  EXPECT_EQ(report.shift, 10u);
  ASSERT_EQ(report.buckets.size(), 2u);
  EXPECT_EQ(report.buckets[1].number, 9u);
  EXPECT_EQ(report.buckets[1].digest, (ReplicaDigest{10, 11, 2}));
  ASSERT_EQ(report.others.size(), 1u);
  EXPECT_EQ(report.others[0].state, ReplicaState::kBeingWritten);
  const internal::ReportDigestsReply reply =
      ToProto(DigestAnswer{DigestAnswer::Result::kLater, {}});
  EXPECT_EQ(reply.result(), internal::ReportDigestsReply::LATER);
}

TEST(ConvertTest, DigestsThatMakeNoSenseAreRefused) {
  const auto refused = [](const std::function<void(internal::ReportDigestsRequest&)>& spoil) {
    internal::ReportDigestsRequest request = Digests();
    spoil(request);
    return FromProto(request).status().code() == StatusCode::kInvalidArgument;
  };
  EXPECT_TRUE(refused([](auto& r) { r.set_shift(0); }));
  EXPECT_TRUE(refused([](auto& r) { r.set_shift(41); }));
  EXPECT_TRUE(refused([](auto& r) { r.set_sequence(0); }));
  EXPECT_TRUE(refused([](auto& r) { r.mutable_buckets(0)->set_bucket(9); }));
  EXPECT_TRUE(refused([](auto& r) { r.mutable_buckets(1)->set_bucket(uint64_t{1} << 54); }));
  EXPECT_TRUE(refused([](auto& r) { r.mutable_others(0)->set_state(internal::FINALIZED); }));
}

TEST(ConvertTest, APartOfRangesHasItsReplicasInsideThem) {
  internal::ReportReplicasRequest request;
  request.set_datanode_uuid("node-1");
  request.set_sequence(1);
  request.set_storage_uuid("DS-1");
  const auto add = [&](uint64_t first, uint64_t last) {
    internal::IdRange& range = *request.add_ranges();
    range.set_first(first);
    range.set_last(last);
  };
  add(10, 19);
  add(30, 39);
  for (const uint64_t id : {10, 19, 35}) request.add_replicas()->mutable_block()->set_block_id(id);
  ASSERT_OK_AND_ASSIGN(const ReplicasReport report, FromProto(request));
  ASSERT_EQ(report.ranges.size(), 2u);
  EXPECT_EQ(report.ranges[1].last, BlockId{39});

  for (const uint64_t outside : {9, 25, 40}) {
    internal::ReportReplicasRequest bad = request;
    bad.clear_replicas();
    bad.add_replicas()->mutable_block()->set_block_id(outside);
    EXPECT_THAT(FromProto(bad), StatusIs(StatusCode::kInvalidArgument)) << outside;
  }
  add(39, 50);
  EXPECT_THAT(FromProto(request), StatusIs(StatusCode::kInvalidArgument)) << "they overlap";
}

TEST(ConvertTest, CopiesThatFailedComeWithAReasonThatFitsOneLine) {
  internal::HeartbeatRequest request;
  request.set_datanode_uuid("dn-1");
  request.set_session(3);
  internal::FailedCopy& failed = *request.add_failed_copies();
  failed.set_block_id(7);
  failed.set_generation_stamp(1001);
  failed.add_target_uuids("dn-2");
  failed.set_reason("no\nroom" + std::string(1000, 'x'));
  const auto heartbeat = FromProto(request);
  ASSERT_OK(heartbeat);
  ASSERT_EQ(heartbeat->failed_copies.size(), 1u);
  const FailedCopy& out = heartbeat->failed_copies[0];
  EXPECT_EQ(out.block, BlockId{7});
  EXPECT_EQ(out.stamp, GenerationStamp{1001});
  EXPECT_EQ(out.target_uuids, std::vector<std::string>{"dn-2"});
  EXPECT_EQ(out.reason.substr(0, 8), "no\\nroom");
  EXPECT_LT(out.reason.size(), 600u);
  failed.add_target_uuids("not printable\n");
  EXPECT_THAT(FromProto(request).status(), StatusIs(absl::StatusCode::kInvalidArgument));
  failed.clear_target_uuids();
  for (int i = 0; i < kMaxFailedCopies; ++i) *request.add_failed_copies() = failed;
  EXPECT_THAT(FromProto(request).status(), StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(ConvertTest, WrongUnitsAreUnitsOfGroups) {
  internal::HeartbeatRequest request;
  request.set_datanode_uuid("dn-1");
  request.set_session(3);
  internal::WrongUnit& wrong = *request.add_wrong_units();
  const BlockId unit = UnitOf(MakeGroupId(7), 2);
  wrong.set_block_id(ToInt(unit));
  wrong.set_generation_stamp(1001);
  wrong.set_datanode_uuid("dn-2");
  wrong.set_reason("not\nwhat the others say");
  const auto heartbeat = FromProto(request);
  ASSERT_OK(heartbeat);
  ASSERT_EQ(heartbeat->wrong_units.size(), 1u);
  EXPECT_EQ(heartbeat->wrong_units[0].block, unit);
  EXPECT_EQ(heartbeat->wrong_units[0].stamp, GenerationStamp{1001});
  EXPECT_EQ(heartbeat->wrong_units[0].datanode_uuid, "dn-2");
  EXPECT_EQ(heartbeat->wrong_units[0].reason, "not\\nwhat the others say");
  wrong.set_block_id(7);
  EXPECT_THAT(FromProto(request).status(), StatusIs(absl::StatusCode::kInvalidArgument))
      << "a replicated block has its checksums alone";
  wrong.set_block_id(ToInt(unit));
  wrong.clear_datanode_uuid();
  EXPECT_THAT(FromProto(request).status(), StatusIs(absl::StatusCode::kInvalidArgument));
  wrong.set_datanode_uuid("dn-2");
  for (int i = 0; i < kMaxWrongUnits; ++i) *request.add_wrong_units() = wrong;
  EXPECT_THAT(FromProto(request).status(), StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(ConvertTest, VerdictsAreOfGroups) {
  internal::HeartbeatRequest request;
  request.set_datanode_uuid("dn-1");
  request.set_session(3);
  internal::GroupVerdict& verdict = *request.add_group_verdicts();
  verdict.set_block_id(ToInt(MakeGroupId(7)));
  verdict.set_generation_stamp(1001);
  verdict.set_result(internal::GroupVerdict::ONE_IS_WRONG);
  verdict.set_unit(4);
  verdict.set_number(12);
  verdict.set_reason("not\nwhat the others say");
  const auto heartbeat = FromProto(request);
  ASSERT_OK(heartbeat);
  ASSERT_EQ(heartbeat->group_verdicts.size(), 1u);
  EXPECT_EQ(heartbeat->group_verdicts[0].group, MakeGroupId(7));
  EXPECT_EQ(heartbeat->group_verdicts[0].stamp, GenerationStamp{1001});
  EXPECT_EQ(heartbeat->group_verdicts[0].result, GroupVerdict::Result::kOneIsWrong);
  EXPECT_EQ(heartbeat->group_verdicts[0].unit, 4u);
  EXPECT_EQ(heartbeat->group_verdicts[0].number, 12u);
  EXPECT_EQ(heartbeat->group_verdicts[0].reason, "not\\nwhat the others say");
  const auto refused = [](internal::HeartbeatRequest from,
                          const std::function<void(internal::GroupVerdict&)>& spoil) {
    spoil(*from.mutable_group_verdicts(0));
    return absl::IsInvalidArgument(FromProto(from).status());
  };
  using Verdict = internal::GroupVerdict;
  EXPECT_FALSE(refused(request, [](Verdict&) {}));
  EXPECT_TRUE(refused(request, [](Verdict& v) { v.set_block_id(7); }));
  EXPECT_TRUE(refused(request, [](Verdict& v) { v.set_block_id(ToInt(MakeGroupId(7)) + 1); }));
  EXPECT_TRUE(refused(request, [](Verdict& v) { v.set_unit(16); }));
  EXPECT_TRUE(refused(request, [](Verdict& v) { v.set_result(static_cast<Verdict::Result>(4)); }));
  for (int i = 0; i < kMaxGroupVerdicts; ++i) *request.add_group_verdicts() = verdict;
  EXPECT_THAT(FromProto(request).status(), StatusIs(absl::StatusCode::kInvalidArgument));
}

}  // namespace
}  // namespace cairn::namenode
