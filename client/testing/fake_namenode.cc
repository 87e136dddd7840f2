#include "client/testing/fake_namenode.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "client/rpc_channel.h"
#include "common/fs_error.h"

namespace cairn::client {
namespace {

class Channel final : public RpcChannel {
 public:
  explicit Channel(FakeNamenode answer) : answer_(std::move(answer)) {}
  absl::Status Call(absl::string_view method, const google::protobuf::MessageLite& request,
                    google::protobuf::MessageLite& response) override {
    return answer_(method, request.SerializeAsString(), response);
  }

 private:
  const FakeNamenode answer_;
};

class NoReplicas final : public DatanodeRpc {
 public:
  absl::StatusOr<std::unique_ptr<RpcChannel>> Connect(const std::string&, uint16_t,
                                                      absl::Duration) override {
    return std::make_unique<Channel>(
        [](absl::string_view, const std::string&, google::protobuf::MessageLite&) {
          return MakeFsError(FsError::kReplicaNotFound, "Replica not found");
        });
  }
};

}  // namespace

std::shared_ptr<ClientContext> FakeContext(FakeNamenode namenode, ClientOptions options,
                                           Clock& clock, FakeNamenode cairn_calls) {
  std::unique_ptr<RpcChannel> cairn;
  if (cairn_calls != nullptr) cairn = std::make_unique<Channel>(std::move(cairn_calls));
  return std::make_shared<ClientContext>(std::move(options), "tester", "fake:8020",
                                         std::make_unique<Channel>(std::move(namenode)),
                                         std::make_unique<NoReplicas>(), clock, std::move(cairn));
}

hdfs::HdfsFileStatusProto FakeStatus() {
  hdfs::HdfsFileStatusProto status;
  status.set_filetype(hdfs::HdfsFileStatusProto::IS_FILE);
  status.set_path("");
  status.set_length(0);
  status.mutable_permission()->set_perm(0644);
  status.set_owner("u");
  status.set_group("g");
  status.set_modification_time(0);
  status.set_access_time(0);
  status.set_fileid(17000);
  return status;
}

std::string FakeUuid(int node) { return absl::StrCat("uuid-", node); }

void AddPlace(int node, uint16_t port, hdfs::LocatedBlockProto& located) {
  hdfs::DatanodeIDProto& id = *located.add_locs()->mutable_id();
  id.set_ipaddr("127.0.0.1");
  id.set_hostname("localhost");
  id.set_datanodeuuid(FakeUuid(node));
  id.set_xferport(port);
  id.set_infoport(1);
  id.set_ipcport(1);
  located.add_storageids(absl::StrCat("DS-", node));
  located.add_storagetypes(hdfs::STORAGE_TYPE_DISK);
}

hdfs::LocatedBlockProto FakeLocated(const hdfs::ExtendedBlockProto& block, uint64_t offset,
                                    const std::string& token) {
  hdfs::LocatedBlockProto located;
  *located.mutable_b() = block;
  located.set_offset(offset);
  located.set_corrupt(false);
  *located.mutable_blocktoken() = FakeToken(token);
  return located;
}

hdfs::TokenProto FakeToken(const std::string& identifier) {
  hdfs::TokenProto token;
  token.set_identifier(identifier);
  token.set_password("");
  token.set_kind("");
  token.set_service("");
  return token;
}

}  // namespace cairn::client
