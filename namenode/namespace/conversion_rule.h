// namenode/namespace/conversion_rule.h - which files below a directory are to be converted as time
// goes by, between edits, records and values.
//
// The namenode keeps the rules, and what becomes of them when directories are renamed or deleted;
// who carries them out is somebody else (docs/decisions/0021-policy-rules.md). There are few: all
// of them are in memory.
#pragma once

#include <cstddef>

#include "absl/container/btree_map.h"
#include "absl/status/statusor.h"
#include "namenode/namespace/erasure_policies.h"
#include "namenode/namespace/types.h"
#include "proto/edit.pb.h"
#include "proto/store.pb.h"

namespace cairn::namenode {

inline constexpr size_t kMaxConversionRules = 1024;

struct KeptConversionRule {
  ConversionRule rule;
  uint64_t set_ms = 0;
  TxId txid = kNoTx;  // of the edit that set it
};

// By directory, which may be below a deleted one and not reclaimed yet.
using ConversionRules = absl::btree_map<InodeId, KeptConversionRule>;

// kDataLoss: no policy has its id.
absl::StatusOr<ConversionRule> DecodeRule(const edit::SetConversionRule& change,
                                          const ErasurePolicies& policies);
absl::StatusOr<KeptConversionRule> DecodeRule(const store::ConversionRule& record,
                                              const ErasurePolicies& policies);
void EncodeRule(const ConversionRule& rule, edit::SetConversionRule* out);
store::ConversionRule RecordOf(InodeId directory, const KeptConversionRule& kept);

}  // namespace cairn::namenode
