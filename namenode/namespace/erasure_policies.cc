#include "namenode/namespace/erasure_policies.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/check.h"
#include "common/status_macros.h"

namespace cairn::namenode {
namespace {

constexpr uint8_t kEnabledAtFirst = 1;  // RS-6-3-1024k

absl::Status Damaged(uint32_t id, absl::string_view why) {
  return absl::DataLossError(absl::StrCat("erasure coding policy ", id, ": ", why));
}

absl::Status CheckPolicy(const erasure::Policy& policy) {
  if (policy.id == 0 || policy.id > ErasurePolicies::kMaxId) {
    return Damaged(policy.id, absl::StrCat("expected an id of 1 to ", ErasurePolicies::kMaxId));
  }
  if (policy.name.empty()) return Damaged(policy.id, "it has no name");
  for (const absl::Status& status :
       {erasure::CheckSchema(policy.schema), erasure::CheckCell(policy.cell_bytes)}) {
    if (!status.ok()) return Damaged(policy.id, status.message());
  }
  return absl::OkStatus();
}

bool IsSame(const erasure::Policy& a, const erasure::Policy& b) {
  return a.id == b.id && a.name == b.name && a.schema == b.schema && a.cell_bytes == b.cell_bytes;
}

template <typename Message>
absl::StatusOr<erasure::Policy> Decode(const Message& message) {
  if (message.id() == 0 || message.id() > ErasurePolicies::kMaxId) {
    return Damaged(message.id(), "no policy has this id");
  }
  const absl::StatusOr<erasure::Codec> codec = erasure::ParseCodec(message.codec());
  if (!codec.ok()) return Damaged(message.id(), codec.status().message());
  erasure::Policy policy = {.id = static_cast<uint8_t>(message.id()),
                            .name = message.name(),
                            .schema = {.codec = *codec,
                                       .data_units = message.data_units(),
                                       .parity_units = message.parity_units()},
                            .cell_bytes = message.cell_bytes()};
  RETURN_IF_ERROR(CheckPolicy(policy));
  return policy;
}

}  // namespace

ErasurePolicies::ErasurePolicies() {
  for (const erasure::Policy& policy : erasure::SystemPolicies()) {
    CHECK_OK(Put(policy, policy.id == kEnabledAtFirst ? ErasurePolicyState::kEnabled
                                                      : ErasurePolicyState::kDisabled));
  }
}

const erasure::Policy* ErasurePolicies::Replication() {
  static const erasure::Policy kReplication = {.id = 0, .name = "replication"};
  return &kReplication;
}

std::optional<ErasurePolicyInfo> ErasurePolicies::FindByName(absl::string_view name) const {
  for (const ErasurePolicyInfo& info : All()) {
    if (info.policy->name == name) return info;
  }
  return std::nullopt;
}

std::vector<ErasurePolicyInfo> ErasurePolicies::All() const {
  std::vector<ErasurePolicyInfo> all;
  for (uint32_t id = 1; id <= kMaxId; ++id) {
    if (const erasure::Policy* const policy = Find(id)) all.push_back({policy, states_[id]});
  }
  return all;
}

std::string ErasurePolicies::EnabledNames() const {
  std::vector<absl::string_view> names;
  for (const ErasurePolicyInfo& info : All()) {
    if (info.state == ErasurePolicyState::kEnabled) names.push_back(info.policy->name);
  }
  return absl::StrJoin(names, ", ");
}

absl::Status ErasurePolicies::Put(const erasure::Policy& policy, ErasurePolicyState state) {
  RETURN_IF_ERROR(CheckPolicy(policy));
  const erasure::Policy* const known = Find(policy.id);
  if (known != nullptr && !IsSame(*known, policy)) {
    return Damaged(policy.id,
                   absl::StrCat("is ", known->name, ", and cannot become ", policy.name));
  }
  states_[policy.id] = state;
  if (known != nullptr) return absl::OkStatus();
  owned_.push_back(std::make_unique<const erasure::Policy>(policy));
  by_id_[policy.id].store(owned_.back().get(), std::memory_order_release);
  return absl::OkStatus();
}

absl::StatusOr<erasure::Policy> DecodePolicy(const edit::PutErasurePolicy& change) {
  return Decode(change);
}

absl::StatusOr<erasure::Policy> DecodePolicy(const store::ErasurePolicy& record) {
  return Decode(record);
}

void EncodePolicy(const erasure::Policy& policy, ErasurePolicyState state,
                  edit::PutErasurePolicy* out) {
  out->set_id(policy.id);
  out->set_name(policy.name);
  out->set_codec(erasure::CodecName(policy.schema.codec));
  out->set_data_units(policy.schema.data_units);
  out->set_parity_units(policy.schema.parity_units);
  out->set_cell_bytes(policy.cell_bytes);
  out->set_state(static_cast<uint32_t>(state));
}

store::ErasurePolicy RecordOf(const edit::PutErasurePolicy& change) {
  store::ErasurePolicy record;
  record.set_id(change.id());
  record.set_name(change.name());
  record.set_codec(change.codec());
  record.set_data_units(change.data_units());
  record.set_parity_units(change.parity_units());
  record.set_cell_bytes(change.cell_bytes());
  record.set_state(change.state());
  return record;
}

absl::StatusOr<ErasurePolicyState> DecodePolicyState(uint32_t state) {
  if (state < 1 || state > 3) {
    return absl::DataLossError(absl::StrCat("no erasure coding policy has state ", state));
  }
  return static_cast<ErasurePolicyState>(state);
}

}  // namespace cairn::namenode
