// erasure/coder.h - parity from data, and lost units from those that are left.
//
// A code is a matrix of (k + m) x k over GF(2^8): the identity above the parity rows. Encoding
// multiplies by these rows; rebuilding inverts the rows of k units that are there. The products are
// ISA-L's. The parity rows are those of Hadoop's coders (RSUtil.genCauchyMatrix; for rs-legacy the
// remainders by its generator polynomial), so that each reads what the other wrote.
//
// Thread-safe. Buffers of one call are all equally long, and may have any alignment.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/mutex.h"
#include "erasure/policy.h"

namespace cairn::erasure {

class Coder {
 public:
  // kInvalidArgument: CheckSchema's.
  static absl::StatusOr<std::unique_ptr<Coder>> Create(const Schema& schema);

  const Schema& schema() const { return schema_; }
  // By unit, k coefficients each.
  std::span<const uint8_t> matrix() const { return matrix_; }

  // `data`: k pointers; `parity`: m; to `bytes` bytes each.
  void Encode(std::span<const std::byte* const> data, std::span<std::byte* const> parity,
              size_t bytes) const;

  // `units`: k + m pointers by number, null for those that are not there; `wanted`: numbers of
  // units to compute, each with its place in `out`. kDataLoss: fewer than k units are there.
  // kInvalidArgument: a number beyond k + m, or one that is there. Nothing is written then.
  absl::Status Rebuild(std::span<const std::byte* const> units, std::span<const uint32_t> wanted,
                       std::span<std::byte* const> out, size_t bytes) const
      ABSL_LOCKS_EXCLUDED(mu_);

 private:
  // ISA-L's tables for the rows that give `wanted` units of `sources`.
  struct Plan {
    std::vector<uint32_t> sources;  // k numbers
    std::vector<uint8_t> tables;    // 32 bytes for each coefficient
  };
  static constexpr size_t kMaxPlans = 1000;

  explicit Coder(const Schema& schema);

  std::span<const uint8_t> Row(uint32_t unit) const;
  absl::StatusOr<std::shared_ptr<const Plan>> PlanFor(uint32_t there,
                                                      std::span<const uint32_t> wanted) const
      ABSL_LOCKS_EXCLUDED(mu_);
  absl::StatusOr<std::shared_ptr<const Plan>> MakePlan(uint32_t there,
                                                       std::span<const uint32_t> wanted) const;

  const Schema schema_;
  const std::vector<uint8_t> matrix_;
  std::vector<uint8_t> encode_tables_;
  mutable Mutex mu_;
  // By the units that are there (low 16 bits, a bit each) and those wanted, which are in order.
  mutable absl::flat_hash_map<uint32_t, std::shared_ptr<const Plan>> plans_ ABSL_GUARDED_BY(mu_);
};

}  // namespace cairn::erasure
