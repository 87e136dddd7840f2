// namenode/namespace/erasure_policies.h - the cluster's erasure coding policies, by id.
//
// What an id means never changes and is never forgotten: a policy that was removed is still that of
// files. So Find needs no lock, and what it gives is valid for the process' life. All else is
// guarded by the namespace lock: [R] shared, [W] exclusive. Ids and first states are HDFS's.
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "namenode/namespace/types.h"
#include "proto/edit.pb.h"
#include "proto/store.pb.h"

namespace cairn::namenode {

class ErasurePolicies {
 public:
  static constexpr uint32_t kFirstUserId = 64;
  static constexpr uint32_t kMaxId = 127;

  // Those that every cluster has: RS-6-3-1024k enabled, the others disabled.
  ErasurePolicies();

  // Set at a directory whose files are replicated, whatever is set above it. Of no file, and under
  // no id in the table.
  static const erasure::Policy* Replication();

  // Null: there is none.
  const erasure::Policy* Find(uint32_t id) const {
    return id > kMaxId ? nullptr : by_id_[id].load(std::memory_order_acquire);
  }
  std::optional<ErasurePolicyInfo> FindByName(absl::string_view name) const;  // [R]
  std::vector<ErasurePolicyInfo> All() const;                                 // [R] by id
  // [R] "RS-6-3-1024k, XOR-2-1-1024k"
  std::string EnabledNames() const;

  // [W] A new policy, or another state of one that is there. kDataLoss: its numbers are out of
  // bounds, or its id has another meaning already; nothing has changed then.
  absl::Status Put(const erasure::Policy& policy, ErasurePolicyState state);

 private:
  std::array<std::atomic<const erasure::Policy*>, kMaxId + 1> by_id_{};
  std::array<ErasurePolicyState, kMaxId + 1> states_{};
  std::vector<std::unique_ptr<const erasure::Policy>> owned_;
};

// Of a policy in an edit or record; kDataLoss: it is none.
absl::StatusOr<erasure::Policy> DecodePolicy(const edit::PutErasurePolicy& change);
absl::StatusOr<erasure::Policy> DecodePolicy(const store::ErasurePolicy& record);
void EncodePolicy(const erasure::Policy& policy, ErasurePolicyState state,
                  edit::PutErasurePolicy* out);
store::ErasurePolicy RecordOf(const edit::PutErasurePolicy& change);
// kDataLoss: no state has this number.
absl::StatusOr<ErasurePolicyState> DecodePolicyState(uint32_t state);

}  // namespace cairn::namenode
