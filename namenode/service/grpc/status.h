// namenode/service/grpc/status.h - absl::Status to grpc::Status and back.
//
// The codes are the same numbers. An FsError travels as the one byte of the error details, so that
// what a datanode hears names the thing as exactly as what an HDFS client hears.
#pragma once

#include <grpcpp/support/status.h>

#include "absl/status/status.h"

namespace cairn::namenode {

grpc::Status ToGrpc(const absl::Status& status);
absl::Status FromGrpc(const grpc::Status& status);

}  // namespace cairn::namenode
