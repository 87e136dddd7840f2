// namenode/core/testing/cold_files.h - erasure-coded files in tests of a namenode: those in /cold
// are of RS-3-2 groups, unless a test says otherwise.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>

#include "absl/strings/string_view.h"
#include "erasure/layout.h"
#include "namenode/core/testing/test_namenode.h"
#include "namenode/namespace/units.h"

namespace cairn::namenode {

inline constexpr uint64_t kCell = 1 << 20;

inline TestNamenode::Options WithErasureCoding(int datanodes) {
  TestNamenode::Options options;
  options.namenode.erasure_coding = true;
  options.datanodes = datanodes;
  return options;
}

inline void MakeCold(TestNamenode& nn, absl::string_view policy = "RS-3-2-1024k") {
  EXPECT_OK(nn->ChangeErasurePolicy(kSuper, policy, ErasurePolicyState::kEnabled).value);
  nn.Mkdir("/cold");
  EXPECT_OK(nn->SetErasurePolicy(kSuper, "/cold", policy).value);
}

// A unit of an RS-3-2 group that has so many bytes.
inline BlockVersion UnitOfCold(const BlockVersion& group, uint64_t group_bytes, uint32_t unit) {
  const erasure::Layout layout(erasure::FindSystemPolicy("RS-3-2-1024k")->schema, kCell);
  return {UnitOf(group.id, unit), group.stamp, layout.UnitBytes(group_bytes, unit)};
}

}  // namespace cairn::namenode
