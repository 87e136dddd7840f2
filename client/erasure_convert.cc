#include "client/erasure_convert.h"

#include "absl/strings/str_cat.h"
#include "erasure/policy_proto.h"

namespace cairn::client {

absl::StatusOr<erasure::Policy> ToPolicy(const hdfs::ErasureCodingPolicyProto& proto,
                                         absl::string_view path) {
  absl::StatusOr<erasure::Policy> policy = erasure::PolicyFrom(proto);
  if (policy.ok()) return policy;
  if (absl::IsUnimplemented(policy.status())) {
    return absl::UnimplementedError(
        absl::StrCat(path, ": is erasure-coded: ", policy.status().message()));
  }
  return absl::InternalError(
      absl::StrCat(path, ": the server sent an erasure-coding policy that makes no sense: ",
                   policy.status().message()));
}

hdfs::ErasureCodingPolicyProto ToProto(const erasure::Policy& policy) {
  hdfs::ErasureCodingPolicyProto proto;
  proto.set_id(policy.id);
  proto.set_name(policy.name);
  proto.set_cellsize(policy.cell_bytes);
  proto.mutable_schema()->set_codecname(erasure::CodecName(policy.schema.codec));
  proto.mutable_schema()->set_dataunits(policy.schema.data_units);
  proto.mutable_schema()->set_parityunits(policy.schema.parity_units);
  return proto;
}

hdfs::ErasureCodingPolicyProto Completed(const hdfs::ErasureCodingPolicyProto& proto) {
  const erasure::Policy* const known = erasure::SystemPolicyOf(proto);
  if (known == nullptr) return proto;
  hdfs::ErasureCodingPolicyProto completed = ToProto(*known);
  if (proto.has_state()) completed.set_state(proto.state());
  return completed;
}

std::string PolicyName(const hdfs::ErasureCodingPolicyProto& proto) {
  if (const erasure::Policy* known = erasure::SystemPolicyOf(proto)) return known->name;
  return proto.has_name() ? proto.name() : absl::StrCat("policy ", proto.id());
}

}  // namespace cairn::client
