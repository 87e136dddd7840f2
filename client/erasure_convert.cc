#include "client/erasure_convert.h"

#include <cstdint>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"

namespace cairn::client {
namespace {

// The number is 32 bits wide on the wire: 257 is not policy 1.
const erasure::Policy* FindById(uint32_t id) {
  return id <= UINT8_MAX ? erasure::FindSystemPolicy(static_cast<uint8_t>(id)) : nullptr;
}

absl::Status BadPolicy(absl::string_view path, absl::string_view what) {
  return absl::InternalError(
      absl::StrCat(path, ": the server sent an erasure-coding policy that makes no sense: ", what));
}

}  // namespace

absl::StatusOr<erasure::Policy> ToPolicy(const hdfs::ErasureCodingPolicyProto& proto,
                                         absl::string_view path) {
  if (const erasure::Policy* known = FindById(proto.id())) return *known;
  if (!proto.has_schema()) {
    return absl::UnimplementedError(absl::StrCat(path, ": erasure-coding policy ", proto.id(),
                                                 " is not known, and the server sent no schema"));
  }
  if (proto.id() > UINT8_MAX) return BadPolicy(path, absl::StrCat("its id is ", proto.id()));
  const absl::StatusOr<erasure::Codec> codec = erasure::ParseCodec(proto.schema().codecname());
  if (!codec.ok()) {
    return absl::UnimplementedError(
        absl::StrCat(path, ": is erasure-coded, and there is ", codec.status().message()));
  }
  const erasure::Schema schema = {.codec = *codec,
                                  .data_units = proto.schema().dataunits(),
                                  .parity_units = proto.schema().parityunits()};
  if (const absl::Status bad = erasure::CheckSchema(schema); !bad.ok()) {
    return BadPolicy(path, bad.message());
  }
  if (const absl::Status bad = erasure::CheckCell(proto.cellsize()); !bad.ok()) {
    return BadPolicy(path, bad.message());
  }
  return erasure::Policy{
      .id = static_cast<uint8_t>(proto.id()),
      .name = proto.has_name() ? proto.name() : erasure::ComposeName(schema, proto.cellsize()),
      .schema = schema,
      .cell_bytes = proto.cellsize()};
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
  const erasure::Policy* const known = FindById(proto.id());
  if (known == nullptr) return proto;
  hdfs::ErasureCodingPolicyProto completed = ToProto(*known);
  if (proto.has_state()) completed.set_state(proto.state());
  return completed;
}

std::string PolicyName(const hdfs::ErasureCodingPolicyProto& proto) {
  if (const erasure::Policy* known = FindById(proto.id())) return known->name;
  return proto.has_name() ? proto.name() : absl::StrCat("policy ", proto.id());
}

}  // namespace cairn::client
