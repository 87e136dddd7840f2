#include <string>

#include "namenode/service/rpc/client_protocol_methods.h"
#include "namenode/service/rpc/testing/edge_fixture.h"

namespace cairn::namenode {
namespace {

using ::testing::ElementsAre;

class WriteTest : public EdgeTest {
 protected:
  static hdfs::CreateRequestProto CreateRequest() {
    hdfs::CreateRequestProto request;
    request.set_src("/f");
    request.mutable_masked()->set_perm(0644);
    request.set_clientname("c");
    request.set_createflag(hdfs::CREATE_FLAG_CREATE | hdfs::CREATE_FLAG_OVERWRITE);
    request.set_createparent(true);
    request.set_replication(3);
    request.set_blocksize(1 << 20);
    return request;
  }
  static hdfs::AddBlockRequestProto AddBlockRequest() {
    hdfs::AddBlockRequestProto request;
    request.set_src("/f");
    request.set_clientname("c");
    return request;
  }
  static void SetNode(hdfs::DatanodeIDProto& id, absl::string_view uuid) {
    id.set_ipaddr("10.0.0.1");
    id.set_hostname("host");
    id.set_datanodeuuid(std::string(uuid));
    id.set_xferport(1);
    id.set_infoport(2);
    id.set_ipcport(3);
  }
  void SetSomeBlock() {
    namenode_.block.block = {BlockId{1073741825}, GenerationStamp{1001}, 0};
    namenode_.block.storages = {1, 2};
  }
};

TEST_F(WriteTest, Create) {
  namenode_.status = SomeFile();
  const auto answer = Ask<hdfs::CreateResponseProto>("create", CreateRequest());
  EXPECT_EQ(namenode_.last_call(),
            "Create(/f, c, 644, create=1 overwrite=1 parent=1 r=3 block=1048576 replicate=0 "
            "policy= ec=)");
  EXPECT_EQ(answer.fs().fileid(), 16390u);
  EXPECT_EQ(answer.fs().path(), "");
}

// Trap 21: Go dereferences `fs` and `stat`; a resend is answered by the namenode as the first call
// was, so the same translation gives it them too.
TEST_F(WriteTest, Trap21CreateAndAppendAlwaysCarryTheStatus) {
  namenode_.status = SomeFile();
  EXPECT_TRUE(Ask<hdfs::CreateResponseProto>("create", CreateRequest()).has_fs());
  EXPECT_EQ(namenode_.client_id, "0123456789abcdef");
  hdfs::AppendRequestProto append;
  append.set_src("/f");
  append.set_clientname("c");
  const auto answer = Ask<hdfs::AppendResponseProto>("append", append);
  EXPECT_TRUE(answer.has_stat());
  EXPECT_FALSE(answer.has_block());
  EXPECT_EQ(namenode_.client_id, "0123456789abcdef");
}

// Trap 22: flags and fields that newer clients send must not make a call fail.
TEST_F(WriteTest, Trap22UnknownFlagsAndFieldsAreAccepted) {
  auto create = CreateRequest();
  create.set_createflag(0xffffff00u | hdfs::CREATE_FLAG_CREATE |
                        hdfs::CREATE_FLAG_SHOULD_REPLICATE);
  create.set_storagepolicy("HOT");
  create.mutable_unmasked()->set_perm(0666);
  create.add_cryptoprotocolversion(hdfs::ENCRYPTION_ZONES);
  EXPECT_OK(Call("create", create).status);
  EXPECT_EQ(namenode_.last_call(),
            "Create(/f, c, 644, create=1 overwrite=0 parent=1 r=3 block=1048576 replicate=1 "
            "policy=HOT ec=)");
  EXPECT_OK(CallBytes("create", create.SerializeAsString() + "\xa0\x06\x01").status);

  hdfs::RenewLeaseRequestProto lease;
  lease.set_clientname("c");
  lease.add_namespaces("ns1");
  EXPECT_OK(Call("renewLease", lease).status);

  auto add = AddBlockRequest();
  EXPECT_OK(CallBytes("addBlock", add.SerializeAsString() + "\x38\x63").status);  // flag 99
}

TEST_F(WriteTest, NamesOfClientsAreNeitherEmptyNorEndless) {
  for (const std::string& name :
       {std::string(), std::string(kMaxClientNameBytes + 1, 'c'), std::string(kNamenodeHolder)}) {
    auto create = CreateRequest();
    create.set_clientname(name);
    EXPECT_THAT(Call("create", create).status, IsFsError(FsError::kIllegalArgument));
    auto add = AddBlockRequest();
    add.set_clientname(name);
    EXPECT_THAT(Call("addBlock", add).status, IsFsError(FsError::kIllegalArgument));
    hdfs::RecoverLeaseRequestProto recover;
    recover.set_src("/f");
    recover.set_clientname(name);
    EXPECT_THAT(Call("recoverLease", recover).status, IsFsError(FsError::kIllegalArgument));
  }
  EXPECT_TRUE(namenode_.calls.empty());
}

TEST_F(WriteTest, CreateWithANegativeBlockSizeIsRefused) {
  auto create = CreateRequest();
  create.set_blocksize(uint64_t{1} << 63);
  EXPECT_THAT(Call("create", create).status, IsFsError(FsError::kIllegalArgument));
  EXPECT_TRUE(namenode_.calls.empty());
}

TEST_F(WriteTest, AFileIsCodedAsItsMakerSaysUnlessHeWantsReplicas) {
  auto create = CreateRequest();
  create.set_ecpolicyname("RS-6-3-1024k");
  namenode_.status = SomeFile();
  namenode_.status->erasure = erasure::FindSystemPolicy("RS-6-3-1024k");
  const auto answer = Ask<hdfs::CreateResponseProto>("create", create);
  EXPECT_EQ(namenode_.last_call(),
            "Create(/f, c, 644, create=1 overwrite=1 parent=1 r=3 block=1048576 replicate=0 "
            "policy= ec=RS-6-3-1024k)");
  EXPECT_EQ(answer.fs().ecpolicy().id(), 1u);

  namenode_.calls.clear();
  create.set_createflag(hdfs::CREATE_FLAG_CREATE | hdfs::CREATE_FLAG_SHOULD_REPLICATE);
  const FakeAnswer refused = Call("create", create);
  EXPECT_THAT(refused.status, IsFsError(FsError::kIllegalArgument));
  EXPECT_EQ(refused.status.message(),
            "SHOULD_REPLICATE flag and ecPolicyName are exclusive parameters. Set both is not "
            "allowed!");
  EXPECT_TRUE(namenode_.calls.empty());
}

TEST_F(WriteTest, WhoAsksForItIsToldOfASmallFile) {
  auto create = CreateRequest();
  namenode_.status = SomeFile();
  EXPECT_FALSE(Ask<hdfs::CreateResponseProto>("create", create).fs().has_smallof());
  EXPECT_FALSE(namenode_.while_small);
  namenode_.status->small_of = erasure::FindSystemPolicy("RS-6-3-1024k");
  create.set_replicatewhilesmall(true);
  const auto answer = Ask<hdfs::CreateResponseProto>("create", create);
  EXPECT_TRUE(namenode_.while_small);
  EXPECT_FALSE(answer.fs().has_ecpolicy());
  EXPECT_EQ(answer.fs().flags(), 0u) << "others write and read replicas";
  EXPECT_EQ(answer.fs().smallof().id(), 1u);
  EXPECT_EQ(answer.fs().smallof().cellsize(), 1u << 20);
}

TEST_F(WriteTest, AppendTellsTheBlockToGoOnWith) {
  AddDatanodes();
  SetSomeBlock();
  namenode_.status = SomeFile();
  namenode_.append_block = namenode_.block;
  hdfs::AppendRequestProto append;
  append.set_src("/f");
  append.set_clientname("c");
  append.set_flag(hdfs::CREATE_FLAG_APPEND | hdfs::CREATE_FLAG_NEW_BLOCK);
  const auto answer = Ask<hdfs::AppendResponseProto>("append", append);
  EXPECT_EQ(namenode_.last_call(), "Append(/f, c, 1)");
  EXPECT_EQ(answer.block().locs_size(), 2);
  EXPECT_EQ(answer.stat().fileid(), 16390u);
}

// Trap 11: the file goes by its id when the client knows it.
TEST_F(WriteTest, Trap11AddBlockPassesOnAllThatTheClientKnows) {
  AddDatanodes();
  SetSomeBlock();
  auto request = AddBlockRequest();
  request.set_fileid(16390);
  SetBlock(*request.mutable_previous(), 7, 1001, 100);
  SetNode(*request.add_excludenodes()->mutable_id(), "dn-9");
  request.add_favorednodes("host1:9866");
  request.add_flags(hdfs::ADD_BLOCK_FLAG_NO_LOCAL_WRITE);
  request.add_flags(hdfs::ADD_BLOCK_FLAG_IGNORE_CLIENT_LOCALITY);
  const auto answer = Ask<hdfs::AddBlockResponseProto>("addBlock", request);
  EXPECT_EQ(namenode_.last_call(),
            "AddBlock(/f, c, file=16390 previous=7_1001:100 excluded=[dn-9] favored=[host1:9866] "
            "1 1)");
  EXPECT_EQ(answer.block().b().poolid(), kPool);
  EXPECT_EQ(answer.block().locs_size(), 2);

  Call("addBlock", AddBlockRequest());
  EXPECT_EQ(namenode_.last_call(), "AddBlock(/f, c, file=0 previous=- excluded=[] favored=[] 0 0)");
  auto apart = AddBlockRequest();
  apart.add_flags(hdfs::ADD_BLOCK_FLAG_IGNORE_CLIENT_LOCALITY);
  Call("addBlock", apart);
  EXPECT_EQ(namenode_.last_call(), "AddBlock(/f, c, file=0 previous=- excluded=[] favored=[] 0 1)");
}

TEST_F(WriteTest, BlocksOfAnotherNamespaceAndNegativeLengthsAreRefused) {
  auto request = AddBlockRequest();
  SetBlock(*request.mutable_previous(), 7, 1001, 100);
  request.mutable_previous()->set_poolid("BP-other");
  EXPECT_THAT(Call("addBlock", request).status, IsFsError(FsError::kIo));
  SetBlock(*request.mutable_previous(), 7, 1001, static_cast<uint64_t>(-1));
  EXPECT_THAT(Call("addBlock", request).status, IsFsError(FsError::kIllegalArgument));
  EXPECT_TRUE(namenode_.calls.empty());
}

TEST_F(WriteTest, NodesInOneRequestAreLimited) {
  auto request = AddBlockRequest();
  for (int i = 0; i < client_protocol::kMaxListedNodes; ++i) {
    SetNode(*request.add_excludenodes()->mutable_id(), "d");
  }
  EXPECT_OK(Call("addBlock", request).status);
  SetNode(*request.add_excludenodes()->mutable_id(), "d");
  EXPECT_THAT(Call("addBlock", request).status, IsFsError(FsError::kIllegalArgument));
}

TEST_F(WriteTest, AbandonBlock) {
  hdfs::AbandonBlockRequestProto request;
  request.set_src("/f");
  request.set_holder("c");
  request.set_fileid(5);
  SetBlock(*request.mutable_b(), 7, 1001, 0);
  EXPECT_OK(Call("abandonBlock", request).status);
  EXPECT_EQ(namenode_.last_call(), "AbandonBlock(/f, 5, c, 7_1001:0)");
}

TEST_F(WriteTest, GetAdditionalDatanode) {
  AddDatanodes();
  SetSomeBlock();
  hdfs::GetAdditionalDatanodeRequestProto request;
  request.set_src("/f");
  SetBlock(*request.mutable_blk(), 7, 1001, 10);
  SetNode(*request.add_existings()->mutable_id(), "dn-1");
  SetNode(*request.add_excludes()->mutable_id(), "dn-3");
  request.set_numadditionalnodes(1);
  request.set_clientname("c");
  EXPECT_THAT(Call("getAdditionalDatanode", request).status, IsFsError(FsError::kIllegalArgument));
  request.add_existingstorageuuids("DS-1");
  const auto answer =
      Ask<hdfs::GetAdditionalDatanodeResponseProto>("getAdditionalDatanode", request);
  EXPECT_EQ(namenode_.last_call(), "GetAdditionalDatanode(/f, 0, 7_1001:10, [DS-1], [dn-3], 1, c)");
  EXPECT_EQ(answer.block().storageids_size(), 2);
  request.set_numadditionalnodes(1 << 30);
  EXPECT_THAT(Call("getAdditionalDatanode", request).status, IsFsError(FsError::kIllegalArgument));
}

TEST_F(WriteTest, FsyncRecordsALengthOnlyWhenOneIsGiven) {
  hdfs::FsyncRequestProto request;
  request.set_src("/f");
  request.set_client("c");
  EXPECT_OK(Call("fsync", request).status);
  EXPECT_EQ(namenode_.last_call(), "Fsync(/f, 0, c, -)");
  request.set_lastblocklength(0);
  request.set_fileid(9);
  EXPECT_OK(Call("fsync", request).status);
  EXPECT_EQ(namenode_.last_call(), "Fsync(/f, 9, c, 0)");
}

TEST_F(WriteTest, UpdateBlockForPipelineTellsTheNewStamp) {
  SetSomeBlock();
  namenode_.block.block.stamp = GenerationStamp{1002};
  namenode_.block.storages.clear();
  hdfs::UpdateBlockForPipelineRequestProto request;
  SetBlock(*request.mutable_block(), 7, 1001, 10);
  request.set_clientname("c");
  const auto answer =
      Ask<hdfs::UpdateBlockForPipelineResponseProto>("updateBlockForPipeline", request);
  EXPECT_EQ(namenode_.last_call(), "UpdateBlockForPipeline(7_1001:10, c)");
  EXPECT_EQ(answer.block().b().generationstamp(), 1002u);
  EXPECT_EQ(answer.block().locs_size(), 0);
}

// The ids of groups are negative to Java, and as good as others.
TEST_F(WriteTest, BlockGroupsAreBlocksToEveryCall) {
  constexpr uint64_t kGroup = uint64_t{1} << 63 | 0x10;  // 9223372036854775824
  namenode_.block.block = {BlockId{kGroup}, GenerationStamp{1001}, 0};
  auto add = AddBlockRequest();
  SetBlock(*add.mutable_previous(), kGroup, 1001, uint64_t{6} << 27);
  const auto added = Ask<hdfs::AddBlockResponseProto>("addBlock", add);
  EXPECT_EQ(namenode_.last_call(),
            "AddBlock(/f, c, file=0 previous=9223372036854775824_1001:805306368 excluded=[] "
            "favored=[] 0 0)");
  EXPECT_EQ(added.block().b().blockid(), kGroup);
  EXPECT_TRUE(added.block().has_blockindices());

  hdfs::CompleteRequestProto complete;
  complete.set_src("/f");
  complete.set_clientname("c");
  SetBlock(*complete.mutable_last(), kGroup, 1001, 1);
  EXPECT_TRUE(Ask<hdfs::CompleteResponseProto>("complete", complete).result());
  EXPECT_EQ(namenode_.last_call(), "Complete(/f, 0, c, 9223372036854775824_1001:1)");

  hdfs::GetAdditionalDatanodeRequestProto additional;
  additional.set_src("/f");
  SetBlock(*additional.mutable_blk(), kGroup, 1001, 1);
  additional.set_numadditionalnodes(1);
  additional.set_clientname("c");
  EXPECT_OK(Call("getAdditionalDatanode", additional).status);
  EXPECT_EQ(namenode_.last_call(),
            "GetAdditionalDatanode(/f, 0, 9223372036854775824_1001:1, [], [], 1, c)");
}

// A Java writer reads the token of each of its streams from the answer; where a unit is missing, it
// fails with a NullPointerException.
TEST_F(WriteTest, ANewStampOfAGroupComesWithEveryUnitAndNoLocation) {
  AddDatanodes();
  constexpr uint64_t kGroup = uint64_t{1} << 63 | 0x10;
  namenode_.block.block = {BlockId{kGroup}, GenerationStamp{1002}, 10};
  namenode_.block.storages = {1, 77};
  namenode_.block.units = {0, 4};
  namenode_.block.erasure = erasure::FindSystemPolicy("RS-3-2-1024k");
  hdfs::UpdateBlockForPipelineRequestProto request;
  SetBlock(*request.mutable_block(), kGroup, 1001, 10);
  request.set_clientname("c");
  const auto answer =
      Ask<hdfs::UpdateBlockForPipelineResponseProto>("updateBlockForPipeline", request);
  EXPECT_EQ(namenode_.last_call(), "UpdateBlockForPipeline(9223372036854775824_1001:10, c)");
  EXPECT_EQ(answer.block().b().generationstamp(), 1002u);
  EXPECT_EQ(answer.block().locs_size(), 0);
  EXPECT_EQ(answer.block().blockindices(), std::string("\0\1\2\3\4", 5));
  EXPECT_EQ(answer.block().blocktokens_size(), 5);
}

TEST_F(WriteTest, LostUnitsKeepTheirPlacesInAPipeline) {
  constexpr uint64_t kGroup = uint64_t{1} << 63 | 0x10;
  hdfs::UpdatePipelineRequestProto request;
  request.set_clientname("c");
  SetBlock(*request.mutable_oldblock(), kGroup, 1001, 10);
  SetBlock(*request.mutable_newblock(), kGroup, 1002, 20);
  const auto add = [&](absl::string_view uuid, const char* storage) {
    SetNode(*request.add_newnodes(), uuid);
    request.add_storageids(storage);
  };
  add("dn-1", "DS-1");
  hdfs::DatanodeIDProto& lost = *request.add_newnodes();
  lost.set_ipaddr("null");
  lost.set_hostname("null");
  lost.set_datanodeuuid("null");
  lost.set_xferport(0);
  lost.set_infoport(0);
  lost.set_ipcport(0);
  request.add_storageids("");
  add("dn-3", "DS-3");
  EXPECT_OK(Call("updatePipeline", request).status);
  EXPECT_EQ(namenode_.last_call(),
            "UpdatePipeline(c, 9223372036854775824_1001:10, 9223372036854775824_1002:20, "
            "[dn-1 null dn-3], [DS-1  DS-3])");
}

TEST_F(WriteTest, UpdatePipeline) {
  hdfs::UpdatePipelineRequestProto request;
  request.set_clientname("c");
  SetBlock(*request.mutable_oldblock(), 7, 1001, 10);
  SetBlock(*request.mutable_newblock(), 7, 1002, 20);
  SetNode(*request.add_newnodes(), "dn-1");
  EXPECT_THAT(Call("updatePipeline", request).status, IsFsError(FsError::kIllegalArgument));
  request.add_storageids("DS-1");
  EXPECT_OK(Call("updatePipeline", request).status);
  EXPECT_EQ(namenode_.last_call(), "UpdatePipeline(c, 7_1001:10, 7_1002:20, [dn-1], [DS-1])");
  EXPECT_EQ(namenode_.client_id, "0123456789abcdef");
}

// Trap 16: Go renews every second, files or no files: whether the holder is known is nothing this
// layer asks.
TEST_F(WriteTest, Trap16RenewLeaseOfAnyHolderIsPassedOn) {
  hdfs::RenewLeaseRequestProto request;
  request.set_clientname("nobody knows me");
  const FakeAnswer answer = Call("renewLease", request);
  EXPECT_OK(answer.status);
  EXPECT_EQ(answer.bytes, "");
  EXPECT_EQ(namenode_.last_call(), "RenewLease(nobody knows me)");
}

TEST_F(WriteTest, RecoverLease) {
  hdfs::RecoverLeaseRequestProto request;
  request.set_src("/f");
  request.set_clientname("c");
  namenode_.result = false;
  EXPECT_FALSE(Ask<hdfs::RecoverLeaseResponseProto>("recoverLease", request).result());
  EXPECT_EQ(namenode_.last_call(), "RecoverLease(/f, c)");
}

hdfs::LocatedBlockProto& AddReported(hdfs::ReportBadBlocksRequestProto& request) {
  hdfs::LocatedBlockProto& block = *request.add_blocks();
  block.set_offset(0);
  block.set_corrupt(false);
  hdfs::TokenProto& token = *block.mutable_blocktoken();
  token.set_identifier("");
  token.set_password("");
  token.set_kind("");
  token.set_service("");
  return block;
}

TEST_F(WriteTest, BadBlocksAreReportedByStorage) {
  AddDatanodes();
  hdfs::ReportBadBlocksRequestProto request;
  hdfs::LocatedBlockProto& with_ids = AddReported(request);
  SetBlock(*with_ids.mutable_b(), 7, 1001, 10);
  SetNode(*with_ids.add_locs()->mutable_id(), "dn-1");
  with_ids.add_storageids("DS-1");
  hdfs::LocatedBlockProto& java = AddReported(request);  // names datanodes only
  SetBlock(*java.mutable_b(), 8, 1001, 10);
  SetNode(*java.add_locs()->mutable_id(), "dn-2");
  SetNode(*java.add_locs()->mutable_id(), "dn-unknown");
  EXPECT_OK(Call("reportBadBlocks", request).status);
  EXPECT_THAT(namenode_.calls, ElementsAre("ReportBadBlock(7_1001:10, [DS-1])",
                                           "ReportBadBlock(8_1001:10, [DS-2])"));
}

// Java reports the unit that it has read, not the group.
TEST_F(WriteTest, ABadUnitIsReportedByItsOwnId) {
  AddDatanodes();
  hdfs::ReportBadBlocksRequestProto request;
  hdfs::LocatedBlockProto& unit = AddReported(request);
  SetBlock(*unit.mutable_b(), uint64_t{1} << 63 | 0x12, 1001, 10);
  SetNode(*unit.add_locs()->mutable_id(), "dn-2");
  EXPECT_OK(Call("reportBadBlocks", request).status);
  EXPECT_EQ(namenode_.last_call(), "ReportBadBlock(9223372036854775826_1001:10, [DS-2])");
}

TEST_F(WriteTest, OneWrongBlockDoesNotHideTheOtherBadOnes) {
  namenode_.ticket = 9;
  hdfs::ReportBadBlocksRequestProto request;
  SetBlock(*AddReported(request).mutable_b(), 7, 1001, 10);
  request.mutable_blocks(0)->mutable_b()->set_poolid("BP-other");
  SetBlock(*AddReported(request).mutable_b(), 8, 1001, 10);
  const FakeAnswer answer = Call("reportBadBlocks", request);
  EXPECT_THAT(answer.status, IsFsError(FsError::kIo));
  EXPECT_EQ(answer.ticket, 9u);
  EXPECT_THAT(namenode_.calls, ElementsAre("ReportBadBlock(8_1001:10, [])"));
}

}  // namespace
}  // namespace cairn::namenode
