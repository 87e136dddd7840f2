#include "namenode/service/grpc/status.h"

#include <string>

#include "common/fs_error.h"

namespace cairn::namenode {
namespace {

constexpr int kLastFsError = static_cast<int>(FsError::kNoErasurePolicySet);

}  // namespace

grpc::Status ToGrpc(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  std::string details;
  if (const FsError error = GetFsError(status); error != FsError::kNone) {
    details.push_back(static_cast<char>(error));
  }
  return grpc::Status(static_cast<grpc::StatusCode>(status.code()), std::string(status.message()),
                      details);
}

absl::Status FromGrpc(const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  const std::string details = status.error_details();
  if (details.size() == 1) {
    const int value = static_cast<unsigned char>(details[0]);
    // The code comes from the error: one that contradicts it is not believed.
    if (value > 0 && value <= kLastFsError &&
        CodeOf(static_cast<FsError>(value)) == static_cast<absl::StatusCode>(status.error_code())) {
      return MakeFsError(static_cast<FsError>(value), status.error_message());
    }
  }
  return absl::Status(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
}

}  // namespace cairn::namenode
