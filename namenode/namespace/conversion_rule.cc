#include "namenode/namespace/conversion_rule.h"

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"

namespace cairn::namenode {
namespace {

template <typename Message>
absl::StatusOr<ConversionRule> DecodeFields(const Message& message,
                                            const ErasurePolicies& policies) {
  const uint32_t id = message.erasure_policy();
  ConversionRule rule{.policy = id == 0 ? nullptr : policies.Find(id),
                      .older_than_ms = message.older_than_ms(),
                      .unread_for_ms = message.unread_for_ms(),
                      .larger_than_bytes = message.larger_than_bytes()};
  if (id == 0 || rule.policy != nullptr) return rule;
  return absl::DataLossError(absl::StrCat("conversion rule of inode ", message.inode(),
                                          ": no erasure coding policy has id ", id));
}

template <typename Message>
void EncodeFields(const ConversionRule& rule, Message* out) {
  out->set_erasure_policy(rule.policy == nullptr ? 0 : rule.policy->id);
  out->set_older_than_ms(rule.older_than_ms);
  out->set_unread_for_ms(rule.unread_for_ms);
  out->set_larger_than_bytes(rule.larger_than_bytes);
}

}  // namespace

absl::StatusOr<ConversionRule> DecodeRule(const edit::SetConversionRule& change,
                                          const ErasurePolicies& policies) {
  return DecodeFields(change, policies);
}

absl::StatusOr<KeptConversionRule> DecodeRule(const store::ConversionRule& record,
                                              const ErasurePolicies& policies) {
  ASSIGN_OR_RETURN(const ConversionRule rule, DecodeFields(record, policies));
  return KeptConversionRule{.rule = rule, .set_ms = record.set_ms(), .txid = TxId{record.txid()}};
}

void EncodeRule(const ConversionRule& rule, edit::SetConversionRule* out) {
  EncodeFields(rule, out);
}

store::ConversionRule RecordOf(InodeId directory, const KeptConversionRule& kept) {
  store::ConversionRule record;
  record.set_inode(ToInt(directory));
  record.set_txid(ToInt(kept.txid));
  record.set_set_ms(kept.set_ms);
  EncodeFields(kept.rule, &record);
  return record;
}

}  // namespace cairn::namenode
