// client/erasure_convert.h - erasure-coding policies of the client protocol into values, and back.
//
// Clients know the system policies by their ids alone; what a server says besides is passed over,
// as HDFS's client does. Pure.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "erasure/policy.h"
#include "proto/hdfs/types.pb.h"

namespace cairn::client {

// A policy whose numbers have been checked. Errors name `path`, the file whose policy it is.
// kUnimplemented: an id that is not known, and no schema with it, or a codec that is not known.
// kInternal: numbers that make no sense.
absl::StatusOr<erasure::Policy> ToPolicy(const hdfs::ErasureCodingPolicyProto& proto,
                                         absl::string_view path);
// With all that a client which does not know the id needs.
hdfs::ErasureCodingPolicyProto ToProto(const erasure::Policy& policy);

// What a server may leave out of a system policy is there, as every client knows it; any other one,
// and each one's state, is as it was sent.
hdfs::ErasureCodingPolicyProto Completed(const hdfs::ErasureCodingPolicyProto& proto);

// For display, of one that may make no sense: "RS-6-3-1024k", or "policy 77" when it has no name.
std::string PolicyName(const hdfs::ErasureCodingPolicyProto& proto);

}  // namespace cairn::client
