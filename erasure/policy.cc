#include "erasure/policy.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace cairn::erasure {
namespace {

constexpr uint32_t kSystemCell = 1 << 20;

Policy System(uint8_t id, Codec codec, uint32_t data_units, uint32_t parity_units) {
  const Schema schema = {.codec = codec, .data_units = data_units, .parity_units = parity_units};
  return {.id = id,
          .name = ComposeName(schema, kSystemCell),
          .schema = schema,
          .cell_bytes = kSystemCell};
}

}  // namespace

const char* CodecName(Codec codec) {
  switch (codec) {
    case Codec::kReedSolomon:
      return "rs";
    case Codec::kReedSolomonLegacy:
      return "rs-legacy";
    case Codec::kXor:
      return "xor";
  }
  return "";
}

absl::StatusOr<Codec> ParseCodec(absl::string_view name) {
  for (const Codec codec : {Codec::kReedSolomon, Codec::kReedSolomonLegacy, Codec::kXor}) {
    if (name == CodecName(codec)) return codec;
  }
  return absl::InvalidArgumentError(
      absl::StrCat("no codec \"", name, "\": there are rs, rs-legacy and xor"));
}

absl::Status CheckSchema(const Schema& schema) {
  const uint32_t data = schema.data_units, parity = schema.parity_units;
  if (data == 0 || parity == 0) {
    return absl::InvalidArgumentError(
        absl::StrCat(data, " data units and ", parity, " parity units: at least one of each"));
  }
  if (data > kMaxUnits || parity > kMaxUnits || data + parity > kMaxUnits) {
    return absl::InvalidArgumentError(absl::StrCat(
        data, " data units and ", parity, " parity units: at most ", kMaxUnits, " together"));
  }
  if (schema.codec == Codec::kXor && parity != 1) {
    return absl::InvalidArgumentError(absl::StrCat("xor has one parity unit, not ", parity));
  }
  return absl::OkStatus();
}

absl::Status CheckCell(uint32_t cell_bytes) {
  if (cell_bytes >= kMinCellBytes && cell_bytes <= kMaxCellBytes &&
      cell_bytes % kMinCellBytes == 0) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat("a cell of ", cell_bytes,
                                                 " bytes: expected a multiple of ", kMinCellBytes,
                                                 ", at most ", kMaxCellBytes));
}

std::string ComposeName(const Schema& schema, uint32_t cell_bytes) {
  return absl::StrCat(absl::AsciiStrToUpper(CodecName(schema.codec)), "-", schema.data_units, "-",
                      schema.parity_units, "-", cell_bytes / 1024, "k");
}

std::span<const Policy> SystemPolicies() {
  static const Policy kPolicies[] = {
      System(1, Codec::kReedSolomon, 6, 3), System(2, Codec::kReedSolomon, 3, 2),
      System(3, Codec::kReedSolomonLegacy, 6, 3), System(4, Codec::kXor, 2, 1),
      System(5, Codec::kReedSolomon, 10, 4)};
  return kPolicies;
}

const Policy* FindSystemPolicy(uint8_t id) {
  for (const Policy& policy : SystemPolicies()) {
    if (policy.id == id) return &policy;
  }
  return nullptr;
}

const Policy* FindSystemPolicy(absl::string_view name) {
  for (const Policy& policy : SystemPolicies()) {
    if (policy.name == name) return &policy;
  }
  return nullptr;
}

}  // namespace cairn::erasure
