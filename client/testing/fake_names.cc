#include "client/testing/fake_names.h"

#include <utility>

#include "client/context.h"
#include "client/rpc_channel.h"
#include "common/clock.h"
#include "proto/hdfs/client_namenode.pb.h"

namespace cairn::client {
namespace {

class Namenode final : public RpcChannel {
 public:
  Namenode(std::map<std::string, FakeName> names, std::vector<std::string>& asked)
      : names_(std::move(names)), asked_(asked) {}

  absl::Status Call(absl::string_view method, const google::protobuf::MessageLite& request,
                    google::protobuf::MessageLite& response) override {
    if (method != "getFileInfo") {
      asked_.emplace_back(method);
      return absl::UnimplementedError(method);
    }
    const auto found =
        names_.find(static_cast<const hdfs::GetFileInfoRequestProto&>(request).src());
    hdfs::GetFileInfoResponseProto answer;
    if (found != names_.end()) Describe(found->second, *answer.mutable_fs());
    response.ParseFromString(answer.SerializeAsString());
    return absl::OkStatus();
  }

 private:
  static void Describe(const FakeName& name, hdfs::HdfsFileStatusProto& status) {
    status.set_filetype(name.is_directory ? hdfs::HdfsFileStatusProto::IS_DIR
                                          : hdfs::HdfsFileStatusProto::IS_FILE);
    status.set_path("");
    status.set_length(0);
    status.mutable_permission()->set_perm(0644);
    status.set_owner("u");
    status.set_group("g");
    status.set_modification_time(0);
    status.set_access_time(0);
    status.set_fileid(name.inode);
  }

  const std::map<std::string, FakeName> names_;
  std::vector<std::string>& asked_;
};

}  // namespace

std::unique_ptr<FileSystem> ConnectToNames(std::map<std::string, FakeName> names,
                                           std::vector<std::string>& asked) {
  return FileSystem::Over(std::make_shared<ClientContext>(
      ClientOptions{}, "user", "fake:8020", std::make_unique<Namenode>(std::move(names), asked),
      nullptr, SystemClock()));
}

}  // namespace cairn::client
