#include "client/testing/fake_names.h"

#include <utility>

#include "client/testing/fake_namenode.h"

namespace cairn::client {

std::unique_ptr<FileSystem> ConnectToNames(std::map<std::string, FakeName> names,
                                           std::vector<std::string>& asked) {
  return FileSystem::Over(FakeContext(
      [names = std::move(names), &asked](absl::string_view method, const std::string& request,
                                         google::protobuf::MessageLite& response) {
        if (method != "getFileInfo") {
          asked.emplace_back(method);
          return absl::UnimplementedError(method);
        }
        const auto found = names.find(Parse<hdfs::GetFileInfoRequestProto>(request).src());
        if (found == names.end()) return absl::OkStatus();
        hdfs::HdfsFileStatusProto& status =
            *As<hdfs::GetFileInfoResponseProto>(response).mutable_fs();
        status = FakeStatus();
        if (found->second.is_directory) status.set_filetype(hdfs::HdfsFileStatusProto::IS_DIR);
        status.set_fileid(found->second.inode);
        return absl::OkStatus();
      },
      ClientOptions(), SystemClock()));
}

}  // namespace cairn::client
