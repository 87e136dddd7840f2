#include <string>

#include "namenode/service/rpc/client_protocol_methods.h"
#include "namenode/service/rpc/testing/edge_fixture.h"

namespace cairn::namenode {
namespace {

class NamespaceCallsTest : public EdgeTest {};

TEST_F(NamespaceCallsTest, Mkdirs) {
  hdfs::MkdirsRequestProto request;
  request.set_src("/a/b");
  request.mutable_masked()->set_perm(06755);  // set-user-id and set-group-id are dropped
  request.set_createparent(true);
  EXPECT_TRUE(Ask<hdfs::MkdirsResponseProto>("mkdirs", request).result());
  EXPECT_EQ(namenode_.last_call(), "Mkdirs(/a/b, 755, 1)");
}

TEST_F(NamespaceCallsTest, BooleanAnswersAreWhatTheGeneratedCodeWrites) {
  hdfs::DeleteRequestProto request;
  request.set_src("/a");
  request.set_recursive(true);
  for (const bool result : {false, true}) {
    namenode_.result = result;
    hdfs::DeleteResponseProto expected;
    expected.set_result(result);
    EXPECT_EQ(Call("delete", request).bytes, expected.SerializeAsString());
  }
  EXPECT_EQ(namenode_.last_call(), "Delete(/a, 1)");
}

// Trap 18: the old rename says no with a false, not with an error.
TEST_F(NamespaceCallsTest, Trap18RenameAnswersFalse) {
  namenode_.result = false;
  hdfs::RenameRequestProto request;
  request.set_src("/a");
  request.set_dst("/b");
  EXPECT_FALSE(Ask<hdfs::RenameResponseProto>("rename", request).result());
  EXPECT_EQ(namenode_.last_call(), "Rename(/a, /b)");
}

TEST_F(NamespaceCallsTest, Rename2) {
  hdfs::Rename2RequestProto request;
  request.set_src("/a");
  request.set_dst("/b");
  request.set_overwritedest(true);
  EXPECT_EQ(Call("rename2", request).bytes, "");
  EXPECT_EQ(namenode_.last_call(), "Rename2(/a, /b, 1, 0)");
  request.set_overwritedest(false);
  request.set_movetotrash(true);
  Call("rename2", request);
  EXPECT_EQ(namenode_.last_call(), "Rename2(/a, /b, 0, 1)");
}

TEST_F(NamespaceCallsTest, Concat) {
  hdfs::ConcatRequestProto request;
  request.set_trg("/t");
  request.add_srcs("/a");
  request.add_srcs("/b");
  EXPECT_OK(Call("concat", request).status);
  EXPECT_EQ(namenode_.last_call(), "Concat(/t, [/a /b])");
  for (int i = 2; i < client_protocol::kMaxConcatSources; ++i) request.add_srcs("/c");
  EXPECT_OK(Call("concat", request).status);
  request.add_srcs("/one/too/many");
  EXPECT_THAT(Call("concat", request).status, IsFsError(FsError::kIllegalArgument));
  EXPECT_EQ(namenode_.calls.size(), 2u);
}

TEST_F(NamespaceCallsTest, Truncate) {
  hdfs::TruncateRequestProto request;
  request.set_src("/f");
  request.set_newlength(7);
  request.set_clientname("c");
  EXPECT_TRUE(Ask<hdfs::TruncateResponseProto>("truncate", request).result());
  EXPECT_EQ(namenode_.last_call(), "Truncate(/f, 7, c)");
  request.set_newlength(static_cast<uint64_t>(-1));
  EXPECT_THAT(Call("truncate", request).status, IsFsError(FsError::kIllegalArgument));
  request.set_newlength(0);
  request.set_clientname("");
  EXPECT_THAT(Call("truncate", request).status, IsFsError(FsError::kIllegalArgument));
  EXPECT_EQ(namenode_.calls.size(), 1u);
}

// A cut inside a block: the answer comes when the datanodes have made it.
TEST_F(NamespaceCallsTest, TruncateAnswersWhenTheFileIsClosedAgain) {
  namenode_.result = false;
  hdfs::TruncateRequestProto request;
  request.set_src("/f");
  request.set_newlength(7);
  request.set_clientname("c");
  FakeReply reply;
  service_->Handle({.principal = principal_, .remote_ip = "10.1.2.3", .call_id = 1}, "truncate",
                   request.SerializeAsString(), reply);
  const auto look = [&] {
    ASSERT_EQ(scheduled_.size(), 1u);
    const auto run = std::move(scheduled_[0].run);
    scheduled_.clear();
    run();
  };
  look();
  EXPECT_EQ(namenode_.last_call(), "IsFileClosed(/f)");
  EXPECT_FALSE(reply.answer().given);
  namenode_.result = true;
  look();
  EXPECT_TRUE(Parse<hdfs::TruncateResponseProto>(reply.answer()).result());
  EXPECT_TRUE(scheduled_.empty());
}

TEST_F(NamespaceCallsTest, SymlinksAreRefused) {
  const FakeAnswer answer = CallBytes("createSymlink", "");
  EXPECT_THAT(answer.status, IsFsError(FsError::kUnsupported));
  EXPECT_EQ(answer.status.message(), "Symlinks not supported");
}

TEST_F(NamespaceCallsTest, TimesOfMinusOneStayAsTheyAre) {
  hdfs::SetTimesRequestProto request;
  request.set_src("/f");
  request.set_mtime(static_cast<uint64_t>(-1));
  request.set_atime(123);
  EXPECT_OK(Call("setTimes", request).status);
  EXPECT_EQ(namenode_.last_call(), "SetTimes(/f, -, 123)");
  request.set_mtime(0);
  request.set_atime(static_cast<uint64_t>(-1));
  EXPECT_OK(Call("setTimes", request).status);
  EXPECT_EQ(namenode_.last_call(), "SetTimes(/f, 0, -)");
  request.set_mtime(static_cast<uint64_t>(-2));
  EXPECT_THAT(Call("setTimes", request).status, IsFsError(FsError::kIllegalArgument));
  EXPECT_EQ(namenode_.calls.size(), 2u);
}

TEST_F(NamespaceCallsTest, PermissionKeepsTheStickyBitOnly) {
  hdfs::SetPermissionRequestProto request;
  request.set_src("/d");
  request.mutable_permission()->set_perm(0177777);
  EXPECT_OK(Call("setPermission", request).status);
  EXPECT_EQ(namenode_.last_call(), "SetPermission(/d, 1777)");
}

TEST_F(NamespaceCallsTest, OwnerOrGroupAlone) {
  hdfs::SetOwnerRequestProto request;
  request.set_src("/f");
  request.set_groupname("staff");
  EXPECT_OK(Call("setOwner", request).status);
  EXPECT_EQ(namenode_.last_call(), "SetOwner(/f, , staff)");
  request.set_username(std::string(client_protocol::kMaxPrincipalBytes + 1, 'u'));
  EXPECT_THAT(Call("setOwner", request).status, IsFsError(FsError::kIllegalArgument));
}

TEST_F(NamespaceCallsTest, Replication) {
  hdfs::SetReplicationRequestProto request;
  request.set_src("/f");
  request.set_replication(2);
  EXPECT_TRUE(Ask<hdfs::SetReplicationResponseProto>("setReplication", request).result());
  EXPECT_EQ(namenode_.last_call(), "SetReplication(/f, 2)");
}

}  // namespace
}  // namespace cairn::namenode
