#include "namenode/service/rpc/cairn_protocol_service.h"

#include "namenode/service/rpc/testing/edge_fixture.h"
#include "proto/client.pb.h"

namespace cairn::namenode {
namespace {

class CairnProtocolTest : public EdgeTest {
 protected:
  FakeAnswer CallCairn(absl::string_view method, absl::string_view request, int32_t call_id = 7) {
    FakeReply reply;
    cairn_.Handle({.principal = principal_,
                   .remote_ip = "10.1.2.3",
                   .has_client_id = true,
                   .client_id = client_id_,
                   .call_id = call_id},
                  method, request, reply);
    EXPECT_TRUE(reply.answer().given) << method;
    return reply.answer();
  }
  static client_calls::ReplaceBlocksRequest SomeRequest() {
    client_calls::ReplaceBlocksRequest request;
    request.set_target("/t");
    request.set_target_inode(16390);
    client_calls::BlockVersion& block = *request.add_expected();
    block.set_id(7);
    block.set_generation_stamp(1001);
    block.set_length(5);
    request.set_source("/s");
    request.add_blocks(9);
    request.add_blocks(7);
    request.set_client_name("c");
    return request;
  }

  OperationCounters counters_;
  bool upgrade_final_ = true;
  CairnProtocolService cairn_{namenode_, counters_, [this] { return upgrade_final_; }};
};

TEST_F(CairnProtocolTest, BlocksAreReplacedInTheNameOfTheCall) {
  namenode_.ticket = 9;
  const FakeAnswer answer = CallCairn("replaceBlocks", SomeRequest().SerializeAsString());
  ASSERT_OK(answer.status);
  EXPECT_EQ(answer.ticket, 9u);
  EXPECT_THAT(namenode_.last_call(), ::testing::StartsWith("ReplaceBlocks(/t, /s, c, file=16390"));
  EXPECT_THAT(namenode_.last_call(), ::testing::EndsWith("blocks=[9 7])"));
  EXPECT_EQ(namenode_.call_id, 7);
  EXPECT_FALSE(namenode_.client_id.empty());
  EXPECT_EQ(namenode_.remote_ip, "10.1.2.3");
}

TEST_F(CairnProtocolTest, AFileIsConvertedInTheNameOfTheCall) {
  namenode_.ticket = 9;
  client_calls::ConvertFileRequest request;
  request.set_target("/t");
  request.set_target_inode(16390);
  *request.add_expected() = SomeRequest().expected(0);
  request.set_source("/s");
  const FakeAnswer answer = CallCairn("convertFile", request.SerializeAsString());
  ASSERT_OK(answer.status);
  EXPECT_EQ(answer.ticket, 9u);
  EXPECT_THAT(namenode_.last_call(), ::testing::StartsWith("ConvertFile(/t, /s, file=16390 expec"));
  EXPECT_EQ(namenode_.call_id, 7);
  EXPECT_FALSE(namenode_.client_id.empty());
  namenode_.error = MakeFsError(FsError::kNotReplicatedYet, "wait");
  EXPECT_THAT(CallCairn("convertFile", request.SerializeAsString()).status,
              IsFsError(FsError::kNotReplicatedYet));
}

TEST_F(CairnProtocolTest, ASmallFileIsCodedInTheNameOfTheCall) {
  namenode_.ticket = 9;
  client_calls::CodeSmallFileRequest request;
  request.set_path("/t");
  request.set_inode(16390);
  request.set_client_name("c");
  const FakeAnswer answer = CallCairn("codeSmallFile", request.SerializeAsString());
  ASSERT_OK(answer.status);
  EXPECT_EQ(answer.ticket, 9u);
  EXPECT_EQ(namenode_.last_call(), "CodeSmallFile(/t, c, file=16390, , last=none)");
  EXPECT_EQ(namenode_.call_id, 7);
  EXPECT_FALSE(namenode_.client_id.empty());
  request.set_source("/s");
  *request.mutable_last() = SomeRequest().expected(0);
  upgrade_final_ = false;
  EXPECT_THAT(CallCairn("codeSmallFile", request.SerializeAsString()).status,
              IsFsError(FsError::kIo))
      << "a rollback would miss the block";
  upgrade_final_ = true;
  ASSERT_OK(CallCairn("codeSmallFile", request.SerializeAsString()).status);
  EXPECT_THAT(namenode_.last_call(),
              ::testing::StartsWith("CodeSmallFile(/t, c, file=16390, /s, last="));
  EXPECT_THAT(namenode_.last_call(), ::testing::Not(::testing::HasSubstr("none")));
}

// A rollback would bring back a file whose blocks were deleted when it was converted.
TEST_F(CairnProtocolTest, NothingIsConvertedUntilAnUpgradeIsFinal) {
  upgrade_final_ = false;
  const FakeAnswer refused = CallCairn("convertFile", "");
  EXPECT_THAT(refused.status, IsFsError(FsError::kIo));
  EXPECT_THAT(refused.status.message(), ::testing::HasSubstr("cairn namenode -finalize"));
  EXPECT_TRUE(namenode_.calls.empty());
  EXPECT_OK(CallCairn("replaceBlocks", SomeRequest().SerializeAsString()).status);
  upgrade_final_ = true;
  EXPECT_OK(CallCairn("convertFile", "").status);
}

TEST_F(CairnProtocolTest, WhetherFilesOfAPolicyAreMadeIsAsked) {
  namenode_.ticket = 9;
  client_calls::CheckErasurePolicyRequest request;
  request.set_policy("RS-6-3-1024k");
  const FakeAnswer answer = CallCairn("checkErasurePolicy", request.SerializeAsString());
  ASSERT_OK(answer.status);
  EXPECT_EQ(answer.ticket, 9u);
  EXPECT_EQ(namenode_.last_call(), "CheckErasurePolicy(RS-6-3-1024k)");
  namenode_.error = MakeFsError(FsError::kIllegalArgument, "disabled");
  EXPECT_THAT(CallCairn("checkErasurePolicy", request.SerializeAsString()).status,
              IsFsError(FsError::kIllegalArgument));
}

TEST_F(CairnProtocolTest, WhatTheNamenodeRefusesIsPassedOn) {
  namenode_.error = MakeFsError(FsError::kChanged, "changed");
  EXPECT_THAT(CallCairn("replaceBlocks", SomeRequest().SerializeAsString()).status,
              IsFsError(FsError::kChanged));
}

TEST_F(CairnProtocolTest, WhatIsNoRequestReachesNobody) {
  EXPECT_THAT(CallCairn("hardLink", "").status, IsFsError(FsError::kNoSuchMethod));
  for (const char* const method :
       {"replaceBlocks", "convertFile", "checkErasurePolicy", "codeSmallFile"}) {
    EXPECT_THAT(CallCairn(method, "\xff").status, StatusIs(absl::StatusCode::kInvalidArgument));
  }
  client_calls::ReplaceBlocksRequest huge = SomeRequest();
  huge.set_source(std::string(CairnProtocolService::kMaxRequestBytes, 'x'));
  EXPECT_THAT(CallCairn("replaceBlocks", huge.SerializeAsString()).status,
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_TRUE(namenode_.calls.empty());
}

}  // namespace
}  // namespace cairn::namenode
