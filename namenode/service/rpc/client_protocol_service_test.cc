// What holds for every method: who asks, ids of at-most-once calls, errors, tickets, bad requests.
#include "namenode/service/rpc/client_protocol_service.h"

#include <set>
#include <string>

#include "namenode/service/rpc/client_protocol_methods.h"
#include "namenode/service/rpc/testing/edge_fixture.h"

namespace cairn::namenode {
namespace {

using ::testing::HasSubstr;

class ClientProtocolServiceTest : public EdgeTest {};

TEST_F(ClientProtocolServiceTest, ServesTheNameThatClientsAskFor) {
  EXPECT_EQ(service_->protocol(), "org.apache.hadoop.hdfs.protocol.ClientProtocol");
}

// Trap 12: an unknown method is an answer like any other; clients fall back on its class.
TEST_F(ClientProtocolServiceTest, Trap12UnknownMethodsSaySo) {
  for (const char* method : {"getXAttrs", "listXAttrs", "noSuchThing", "", "GETFILEINFO"}) {
    const FakeAnswer answer = CallBytes(method, "");
    EXPECT_THAT(answer.status, IsFsError(FsError::kNoSuchMethod)) << method;
    EXPECT_THAT(std::string(answer.status.message()), HasSubstr(method));
  }
  EXPECT_TRUE(namenode_.calls.empty());
}

TEST_F(ClientProtocolServiceTest, TheNamenodeHearsWhoAsks) {
  hdfs::GetFileInfoRequestProto request;
  request.set_src("/a");
  Call("getFileInfo", request);
  EXPECT_EQ(namenode_.user, "alice");
  EXPECT_EQ(namenode_.remote_ip, "10.1.2.3");
}

// Trap 15: without the ids a resend after a lost answer is an error; with them on calls that may be
// repeated freely, the retry cache would fill for nothing.
TEST_F(ClientProtocolServiceTest, Trap15OnlyAtMostOnceCallsCarryTheClientsIds) {
  std::set<std::string> marked;
  for (const auto table : {client_protocol::ReadMethods(), client_protocol::NamespaceMethods(),
                           client_protocol::WriteMethods(), client_protocol::AdminMethods(),
                           client_protocol::UpkeepMethods(), client_protocol::ErasureMethods()}) {
    for (const client_protocol::Method& method : table) {
      if (method.at_most_once) marked.insert(std::string(method.name));
    }
  }
  EXPECT_EQ(marked, (std::set<std::string>{
                        "addErasureCodingPolicies", "append", "concat", "create", "delete",
                        "disableErasureCodingPolicy", "enableErasureCodingPolicy",
                        "removeErasureCodingPolicy", "rename", "rename2", "setErasureCodingPolicy",
                        "truncate", "unsetErasureCodingPolicy", "updatePipeline"}));
  hdfs::DeleteRequestProto remove;
  remove.set_src("/a");
  remove.set_recursive(true);
  Call("delete", remove);
  EXPECT_EQ(namenode_.client_id, "0123456789abcdef");
  EXPECT_EQ(namenode_.call_id, 42);

  hdfs::MkdirsRequestProto mkdirs;
  mkdirs.set_src("/a");
  mkdirs.mutable_masked()->set_perm(0755);
  mkdirs.set_createparent(true);
  Call("mkdirs", mkdirs);
  EXPECT_EQ(namenode_.client_id, "");

  call_id_ = -3;  // the connection's own calls
  Call("delete", remove);
  EXPECT_EQ(namenode_.client_id, "");
  call_id_ = 42;
  has_client_id_ = false;
  Call("delete", remove);
  EXPECT_EQ(namenode_.client_id, "");
}

TEST_F(ClientProtocolServiceTest, AnswersWaitForTheTicketOfWhatTheyTell) {
  namenode_.ticket = 77;
  hdfs::DeleteRequestProto request;
  request.set_src("/a");
  request.set_recursive(false);
  EXPECT_EQ(Call("delete", request).ticket, 77u);
  namenode_.error = MakeFsError(FsError::kNotEmptyDirectory, "/a is non empty");
  const FakeAnswer refused = Call("delete", request);
  EXPECT_EQ(refused.ticket, 77u);
  EXPECT_EQ(refused.status, namenode_.error);
}

// Every method that asks the namenode passes its error on as it is.
TEST_F(ClientProtocolServiceTest, ErrorsOfTheNamenodeArePassedThrough) {
  namenode_.error = MakeFsError(FsError::kSafeMode, "Cannot do it. Name node is in safe mode.");
  namenode_.ticket = 5;
  const auto refuses = [&](absl::string_view method, const google::protobuf::MessageLite& request) {
    const size_t before = namenode_.calls.size();
    const FakeAnswer answer = Call(method, request);
    EXPECT_EQ(namenode_.calls.size(), before + 1) << method;
    EXPECT_EQ(answer.status, namenode_.error) << method;
    EXPECT_EQ(answer.ticket, 5u) << method;
  };
  const auto with_src = [](auto request) {
    request.set_src("/a");
    return request;
  };
  refuses("getFileInfo", with_src(hdfs::GetFileInfoRequestProto()));
  refuses("getFileLinkInfo", with_src(hdfs::GetFileLinkInfoRequestProto()));
  refuses("getLocatedFileInfo", with_src(hdfs::GetLocatedFileInfoRequestProto()));
  refuses("isFileClosed", with_src(hdfs::IsFileClosedRequestProto()));
  refuses("getErasureCodingPolicy", with_src(hdfs::GetErasureCodingPolicyRequestProto()));
  refuses("getErasureCodingPolicies", hdfs::GetErasureCodingPoliciesRequestProto());
  refuses("setErasureCodingPolicy", with_src(hdfs::SetErasureCodingPolicyRequestProto()));
  refuses("unsetErasureCodingPolicy", with_src(hdfs::UnsetErasureCodingPolicyRequestProto()));
  refuses("addErasureCodingPolicies", hdfs::AddErasureCodingPoliciesRequestProto());
  refuses("getECTopologyResultForPolicies", hdfs::GetECTopologyResultForPoliciesRequestProto());
  hdfs::EnableErasureCodingPolicyRequestProto enable;
  enable.set_ecpolicyname("RS-3-2-1024k");
  refuses("enableErasureCodingPolicy", enable);
  refuses("setOwner", with_src(hdfs::SetOwnerRequestProto()));
  hdfs::GetListingRequestProto listing;
  listing.set_src("/a");
  listing.set_startafter("");
  listing.set_needlocation(false);
  refuses("getListing", listing);
  hdfs::GetBlockLocationsRequestProto locations;
  locations.set_src("/a");
  locations.set_offset(0);
  locations.set_length(1);
  refuses("getBlockLocations", locations);
  hdfs::GetContentSummaryRequestProto summary;
  summary.set_path("/a");
  refuses("getContentSummary", summary);
  hdfs::RenewLeaseRequestProto lease;
  lease.set_clientname("c");
  refuses("renewLease", lease);
  hdfs::SetSafeModeRequestProto safe_mode;
  safe_mode.set_action(hdfs::SAFEMODE_LEAVE);
  refuses("setSafeMode", safe_mode);
}

TEST_F(ClientProtocolServiceTest, RequestsThatDoNotParseAreRefusedAndChangeNothing) {
  for (const auto table : {client_protocol::ReadMethods(), client_protocol::NamespaceMethods(),
                           client_protocol::WriteMethods(), client_protocol::AdminMethods(),
                           client_protocol::UpkeepMethods(), client_protocol::ErasureMethods()}) {
    for (const client_protocol::Method& method : table) {
      // A field that ends behind the request, an unending group, a varint of eleven bytes.
      for (const absl::string_view bad :
           {absl::string_view("\x0a\x7f"), absl::string_view("\x0b\x0b\x0b"),
            absl::string_view("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01")}) {
        const FakeAnswer answer = CallBytes(method.name, bad);
        EXPECT_TRUE(answer.given) << method.name;
      }
    }
  }
  EXPECT_TRUE(namenode_.calls.empty()) << namenode_.last_call();
}

TEST_F(ClientProtocolServiceTest, AMissingFieldIsNamed) {
  hdfs::MkdirsRequestProto request;
  request.set_src("/a");
  const FakeAnswer answer = Call("mkdirs", request);
  EXPECT_THAT(answer.status, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("masked")));
}

TEST_F(ClientProtocolServiceTest, AHalfMillionIncompletePartsAreRefusedInOneLine) {
  std::string request;
  while (request.size() + 2 <= client_protocol::kMaxRequestBytes)
    request += std::string("\x0a\x00", 2);
  const FakeAnswer answer = CallBytes("reportBadBlocks", request);
  EXPECT_THAT(answer.status, StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_LT(answer.status.message().size(), 200u);
  const FakeAnswer unknown = CallBytes(std::string(5000, 'm'), "");
  EXPECT_LT(unknown.status.message().size(), 300u);
}

TEST_F(ClientProtocolServiceTest, RequestsLargerThanTheMethodAllowsAreRefusedUnparsed) {
  hdfs::GetFileInfoRequestProto request;
  request.set_src(std::string(client_protocol::kMaxRequestBytes, 'a'));
  EXPECT_THAT(Call("getFileInfo", request).status, IsFsError(FsError::kIllegalArgument));
  EXPECT_TRUE(namenode_.calls.empty());
  request.set_src(std::string(client_protocol::kMaxRequestBytes - 100, 'a'));
  EXPECT_OK(Call("getFileInfo", request).status);
}

// The short way for a request of one string must agree with the parser on every shape.
TEST_F(ClientProtocolServiceTest, OneStringIsReadAsTheParserReadsIt) {
  for (const size_t size : {0, 1, 127, 128, 300, 16383, 16384, 20000}) {
    hdfs::GetFileInfoRequestProto request;
    request.set_src("/" + std::string(size, 'x'));
    Call("getFileInfo", request);
    EXPECT_EQ(namenode_.last_call(), absl::StrCat("GetFileInfo(", request.src(), ")"));
  }
  // Twice the field: the last one counts. Unknown fields: skipped. A length in a long form.
  CallBytes("getFileInfo", absl::string_view("\x0a\x02/a\x0a\x02/b"));
  EXPECT_EQ(namenode_.last_call(), "GetFileInfo(/b)");
  CallBytes("getFileInfo", absl::string_view("\x0a\x02/c\x78\x01"));
  EXPECT_EQ(namenode_.last_call(), "GetFileInfo(/c)");
  CallBytes("getFileInfo", absl::string_view("\x0a\x82\x00/d", 5));
  EXPECT_EQ(namenode_.last_call(), "GetFileInfo(/d)");
  CallBytes("getFileInfo", absl::string_view("\x0a\x82\x80\x00/e", 6));
  EXPECT_EQ(namenode_.last_call(), "GetFileInfo(/e)");
  EXPECT_EQ(namenode_.calls.size(), 12u);
}

}  // namespace
}  // namespace cairn::namenode
