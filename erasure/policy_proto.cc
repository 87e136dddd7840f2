#include "erasure/policy_proto.h"

#include <cstdint>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"

namespace cairn::erasure {

const Policy* SystemPolicyOf(const hdfs::ErasureCodingPolicyProto& proto) {
  // The number is 32 bits wide on the wire: 257 is not policy 1.
  return proto.id() <= UINT8_MAX ? FindSystemPolicy(static_cast<uint8_t>(proto.id())) : nullptr;
}

absl::StatusOr<Policy> PolicyFrom(const hdfs::ErasureCodingPolicyProto& proto) {
  if (const Policy* known = SystemPolicyOf(proto)) return *known;
  if (!proto.has_schema()) {
    return absl::UnimplementedError(absl::StrCat("erasure-coding policy ", proto.id(),
                                                 " is not known, and came without a schema"));
  }
  if (proto.id() > UINT8_MAX) {
    return absl::InvalidArgumentError(
        absl::StrCat("erasure-coding policy ", proto.id(), ": there is no such id"));
  }
  const absl::StatusOr<Codec> codec = ParseCodec(proto.schema().codecname());
  if (!codec.ok()) return absl::UnimplementedError(codec.status().message());
  Policy policy{.id = static_cast<uint8_t>(proto.id()),
                .name = proto.name(),
                .schema = {.codec = *codec,
                           .data_units = proto.schema().dataunits(),
                           .parity_units = proto.schema().parityunits()},
                .cell_bytes = proto.cellsize()};
  RETURN_IF_ERROR(CheckSchema(policy.schema));
  RETURN_IF_ERROR(CheckCell(policy.cell_bytes));
  if (!proto.has_name()) policy.name = ComposeName(policy.schema, policy.cell_bytes);
  return policy;
}

}  // namespace cairn::erasure
