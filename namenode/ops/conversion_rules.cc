// Which files below a directory are to be converted as time goes by: kept here, carried out by
// `cairn policy -run` (docs/decisions/0021-policy-rules.md).
#include "namenode/core/run.h"

namespace cairn::namenode {
namespace {

// A hundred years: what is beyond was meant to be something else, and sums stay far from overflow.
constexpr uint64_t kLongestMs = uint64_t{100} * 366 * 24 * 3600 * 1000;

absl::Status CheckRule(const ConversionRuleRequest& wanted) {
  if (wanted.older_than_ms <= kLongestMs && wanted.unread_for_ms <= kLongestMs &&
      wanted.larger_than_bytes <= INT64_MAX) {
    return absl::OkStatus();
  }
  return MakeFsError(FsError::kIllegalArgument,
                     "a conversion rule with more than 100 years, or 2^63 bytes");
}

}  // namespace

Outcome<Nothing> NamenodeImpl::SetConversionRule(const Caller& caller, absl::string_view text,
                                                 const ConversionRuleRequest& wanted) {
  absl::StatusOr<Path> path = ParsePath(text);
  if (!path.ok()) return {path.status()};
  return Write<Nothing>(
      caller, What{"set conversion rule on ", text},
      [&](Attempt& attempt) -> absl::StatusOr<Nothing> {
        mu_.AssertHeld();
        RETURN_IF_ERROR(attempt.CheckSuperuser());
        RETURN_IF_ERROR(CheckRule(wanted));
        ConversionRule rule{.older_than_ms = wanted.older_than_ms,
                            .unread_for_ms = wanted.unread_for_ms,
                            .larger_than_bytes = wanted.larger_than_bytes};
        if (!wanted.policy.empty()) {
          ASSIGN_OR_RETURN(rule.policy, FindPolicyForFiles(wanted.policy));
        }
        ASSIGN_OR_RETURN(const Resolved at, attempt.ResolveExisting(*path));
        const Inode& target = *at.target();
        if (!target.is_directory()) {
          return MakeFsError(
              FsError::kIo,
              absl::StrCat("Attempt to set a conversion rule for a file ", ForMessage(text)));
        }
        const ConversionRules& rules = tree_->conversion_rules();
        if (!rules.contains(target.id) && rules.size() >= kMaxConversionRules) {
          return MakeFsError(FsError::kIllegalArgument,
                             absl::StrCat("the cluster has ", rules.size(),
                                          " conversion rules already, the most that it can have"));
        }
        edit::SetConversionRule& change = *attempt.NewEdit().mutable_set_conversion_rule();
        change.set_inode(ToInt(target.id));
        EncodeRule(rule, &change);
        attempt.Commit();
        return Nothing{};
      });
}

Outcome<bool> NamenodeImpl::RemoveConversionRule(const Caller& caller, absl::string_view text) {
  absl::StatusOr<Path> path = ParsePath(text);
  if (!path.ok()) return {path.status()};
  return Write<bool>(caller, What{"remove conversion rule of ", text},
                     [&](Attempt& attempt) -> absl::StatusOr<bool> {
                       mu_.AssertHeld();
                       RETURN_IF_ERROR(attempt.CheckSuperuser());
                       ASSIGN_OR_RETURN(const Resolved at, attempt.ResolveExisting(*path));
                       const Inode& target = *at.target();
                       attempt.SawTx(last_txid_);  // any edit may have removed it
                       if (!tree_->conversion_rules().contains(target.id)) return false;
                       edit::SetConversionRule& change =
                           *attempt.NewEdit().mutable_set_conversion_rule();
                       change.set_inode(ToInt(target.id));
                       change.set_removed(true);
                       attempt.Commit();
                       return true;
                     });
}

Outcome<ConversionRulePage> NamenodeImpl::ListConversionRules(const Caller& caller, InodeId after,
                                                              size_t most) {
  return Read<ConversionRulePage>(caller, [&](View& view) -> absl::StatusOr<ConversionRulePage> {
    mu_.AssertReaderHeld();
    RETURN_IF_ERROR(view.CheckSuperuser());
    view.SawTx(last_txid_);  // any edit may have changed them
    const ConversionRules& rules = tree_->conversion_rules();
    ConversionRulePage page{.last = after};
    size_t looked = 0;
    for (auto at = rules.upper_bound(after); at != rules.end(); ++at) {
      page.more = looked++ == most;
      if (page.more) break;
      page.last = at->first;
      const absl::StatusOr<Inode*> directory = view.FindById(at->first);
      // Not in memory: all that are missing are loaded at once. Null: its directory is below a
      // deleted one.
      if (!directory.ok() || *directory == nullptr) continue;
      page.rules.push_back({.directory = at->first,
                            .path = PathOf(**directory),
                            .rule = at->second.rule,
                            .policy_state = StateOfRule(at->second.rule),
                            .set_ms = at->second.set_ms});
    }
    return page;
  });
}

// It may be that new files cannot be made in it.
std::optional<ErasurePolicyState> NamenodeImpl::StateOfRule(const ConversionRule& rule) const {
  if (rule.policy == nullptr) return std::nullopt;
  const auto found = tree_->erasure_policies().FindByName(rule.policy->name);
  if (!found || !options_.erasure_coding) return ErasurePolicyState::kDisabled;
  return found->state;
}

std::string NamenodeImpl::RenewConversionRun(uint64_t id, const ConversionRun& told, bool stop) {
  return conversion_run_.Renew(id, told, stop, clock_.Monotonic());
}

ConversionRun NamenodeImpl::ShowConversionRun() { return conversion_run_.Show(clock_.Monotonic()); }

}  // namespace cairn::namenode
