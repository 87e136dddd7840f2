// erasure/policy.h - how the bytes of a file are spread over units, and what may be lost.
//
// A group of blocks has k data units and m parity units; any k of them give back the rest. Names,
// numbers and bounds are HDFS's (ErasureCodingPolicy, SystemErasureCodingPolicies): clients know
// the five system policies by their id alone. Pure.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace cairn::erasure {

enum class Codec : uint8_t {
  kReedSolomon,        // "rs": systematic, Cauchy matrix over GF(2^8) with the polynomial 0x11D
  kReedSolomonLegacy,  // "rs-legacy": of HDFS-RAID, for reading what was written long ago
  kXor,                // "xor": one parity unit
};

const char* CodecName(Codec codec);
// kInvalidArgument: names what there is.
absl::StatusOr<Codec> ParseCodec(absl::string_view name);

// A unit's number in its group is the low four bits of its block id.
inline constexpr uint32_t kMaxUnits = 16;
inline constexpr uint32_t kMinCellBytes = 1024;
inline constexpr uint32_t kMaxCellBytes = 4 << 20;

struct Schema {
  Codec codec = Codec::kReedSolomon;
  uint32_t data_units = 0;    // k
  uint32_t parity_units = 0;  // m

  uint32_t units() const { return data_units + parity_units; }
  bool operator==(const Schema&) const = default;
};

struct Policy {
  uint8_t id = 0;
  std::string name;  // "RS-6-3-1024k"
  Schema schema;
  uint32_t cell_bytes = 0;  // logical bytes go to the data units in turn, a cell at a time
};

// kInvalidArgument: says which number, and its bounds. At most kMaxUnits units, one parity unit and
// no other number for XOR, a cell that is a multiple of kMinCellBytes and at most kMaxCellBytes.
absl::Status CheckSchema(const Schema& schema);
absl::Status CheckCell(uint32_t cell_bytes);

// "RS-6-3-1024k", as HDFS composes it.
std::string ComposeName(const Schema& schema, uint32_t cell_bytes);

// Those that every cluster has, by id from 1.
std::span<const Policy> SystemPolicies();
// Null: there is no such one.
const Policy* FindSystemPolicy(uint8_t id);
const Policy* FindSystemPolicy(absl::string_view name);

}  // namespace cairn::erasure
