// erasure/policy_proto.h - policies as the client protocols tell them.
//
// Clients and servers know the system policies by their ids alone; what is said of them besides is
// passed over, as HDFS does. Pure.
#pragma once

#include "absl/status/statusor.h"
#include "erasure/policy.h"
#include "proto/hdfs/types.pb.h"

namespace cairn::erasure {

// Null: no system policy has this id.
const Policy* SystemPolicyOf(const hdfs::ErasureCodingPolicyProto& proto);

// A policy whose numbers have been checked. kUnimplemented: an id that is not known, and no schema
// with it, or a codec that is not known. kInvalidArgument: numbers that make no sense.
absl::StatusOr<Policy> PolicyFrom(const hdfs::ErasureCodingPolicyProto& proto);

}  // namespace cairn::erasure
