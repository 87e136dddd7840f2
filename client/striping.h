// client/striping.h - how the block groups of one erasure-coded file are laid out, and what the
// namenode's answers say about each of their units.
//
// A group is located like a block, with its units as the locations: which unit each of them has is
// in blockIndices, and the unit's block id is the group's plus its number.
#pragma once

#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "erasure/coder.h"
#include "erasure/layout.h"
#include "erasure/policy.h"
#include "proto/hdfs/types.pb.h"

namespace cairn::client {

// Constant; any thread may use it.
class Striping {
 public:
  // kInvalidArgument: of a policy whose numbers have not been checked.
  static absl::StatusOr<std::shared_ptr<const Striping>> Create(const erasure::Policy& policy);

  const erasure::Layout& layout() const { return layout_; }
  const erasure::Coder& coder() const { return *coder_; }
  // Every byte of a file lies in the same place under both.
  bool IsLaidOutAs(const erasure::Policy& policy) const;

 private:
  Striping(const erasure::Policy& policy, std::unique_ptr<const erasure::Coder> coder);

  const erasure::Layout layout_;
  const std::unique_ptr<const erasure::Coder> coder_;
};

// kInternal, naming `path`, unless each location of each group says which unit it has, each unit is
// one of the policy's, and there are tokens for all locations or none.
absl::Status CheckGroups(const hdfs::LocatedBlocksProto& found, const erasure::Policy& policy,
                         absl::string_view path);
// The same for one group of a policy with so many `units`.
absl::Status CheckGroup(const hdfs::LocatedBlockProto& group, uint32_t units,
                        absl::string_view path);

// `unit` of a group that CheckGroups has seen, located like a block of its own: its id, length and
// token, and the datanodes that have it, often one. Without locations it is lost.
hdfs::LocatedBlockProto LocateUnit(const hdfs::LocatedBlockProto& group,
                                   const erasure::Layout& layout, uint32_t unit);

}  // namespace cairn::client
