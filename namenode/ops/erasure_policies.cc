// Erasure coding policies, and which files get them. Words and errors are HDFS's.
#include <algorithm>

#include "absl/strings/match.h"
#include "namenode/core/run.h"
#include "namenode/core/text.h"

namespace cairn::namenode {
namespace {

absl::Status Refuse(absl::string_view why) { return MakeFsError(FsError::kIllegalArgument, why); }

absl::Status NotOffered() {
  return MakeFsError(FsError::kUnsupported,
                     "erasure coding is not finished in this version, and is off; to try it, set "
                     "cairn.namenode.erasure.coding to true");
}

bool IsSystem(const erasure::Policy& policy) { return policy.id < ErasurePolicies::kFirstUserId; }

}  // namespace

bool NamenodeImpl::KnowsErasurePolicy(absl::string_view name) const {
  ReaderLock lock(mu_);
  return tree_->erasure_policies().FindByName(name).has_value();
}

absl::StatusOr<const erasure::Policy*> NamenodeImpl::FindEnabledPolicy(
    absl::string_view name) const {
  const ErasurePolicies& policies = tree_->erasure_policies();
  const std::optional<ErasurePolicyInfo> found = policies.FindByName(name);
  if (found && found->state == ErasurePolicyState::kEnabled) return found->policy;
  return Refuse(absl::StrCat("Policy '", ForMessage(name),
                             "' does not match any enabled erasure coding policies: [",
                             policies.EnabledNames(),
                             "]. An erasure coding policy can be enabled by "
                             "enableErasureCodingPolicy API."));
}

absl::StatusOr<const erasure::Policy*> NamenodeImpl::FindPolicyForFiles(
    absl::string_view name) const {
  if (!options_.erasure_coding) return NotOffered();
  return FindEnabledPolicy(name);
}

absl::Status NamenodeImpl::CheckMayCode(const erasure::Policy& policy) const {
  return FindPolicyForFiles(policy.name).status();
}

absl::StatusOr<const erasure::Policy*> NamenodeImpl::ErasureOfNew(
    const Inode& parent, const CreateOptions& options) const {
  if (options.should_replicate) return nullptr;
  const erasure::Policy* policy = EffectiveErasure(parent);
  if (!options.erasure_policy.empty()) {
    ASSIGN_OR_RETURN(policy, FindPolicyForFiles(options.erasure_policy));
  }
  if (policy == nullptr) return nullptr;
  if (!options_.erasure_coding) return NotOffered();
  if (options.block_bytes < policy->cell_bytes) {
    return MakeFsError(FsError::kIo,
                       absl::StrCat("Specified block size (", options.block_bytes,
                                    ") is less than the cell size (", policy->cell_bytes,
                                    ") of the erasure coding policy (", policy->name, ")."));
  }
  return policy;
}

Outcome<std::vector<ErasurePolicyInfo>> NamenodeImpl::GetErasurePolicies(const Caller& caller) {
  return Read<std::vector<ErasurePolicyInfo>>(
      caller, [&](View& view) -> absl::StatusOr<std::vector<ErasurePolicyInfo>> {
        mu_.AssertReaderHeld();
        view.SawTx(last_txid_);  // any edit may have changed them
        std::vector<ErasurePolicyInfo> all = tree_->erasure_policies().All();
        std::sort(all.begin(), all.end(),
                  [](const auto& a, const auto& b) { return a.policy->name < b.policy->name; });
        return all;
      });
}

Outcome<Nothing> NamenodeImpl::CheckErasurePolicy(const Caller& caller, absl::string_view name) {
  return Read<Nothing>(caller, [&](View& view) -> absl::StatusOr<Nothing> {
    mu_.AssertReaderHeld();
    view.SawTx(last_txid_);  // any edit may have changed it
    RETURN_IF_ERROR(FindPolicyForFiles(name).status());
    return Nothing{};
  });
}

Outcome<const erasure::Policy*> NamenodeImpl::GetErasurePolicy(const Caller& caller,
                                                               absl::string_view text) {
  absl::StatusOr<Path> path = ParsePath(text);
  if (!path.ok()) return {path.status()};
  return Read<const erasure::Policy*>(
      caller, [&](View& view) -> absl::StatusOr<const erasure::Policy*> {
        ASSIGN_OR_RETURN(const Resolved at, view.Resolve(*path, View::IfBlocked::kAccessControl));
        if (!at.exists()) {
          return MakeFsError(FsError::kFileNotFound,
                             absl::StrCat("Path not found: ", ForMessage(text)));
        }
        const Inode& target = *at.target();
        // Who asks of a small file wants to know where it belongs, not how it is kept today.
        const bool small = !target.is_directory() && target.file->small_of != nullptr;
        return small ? target.file->small_of : EffectiveErasure(target);
      });
}

Outcome<Nothing> NamenodeImpl::SetErasurePolicy(const Caller& caller, absl::string_view text,
                                                absl::string_view name) {
  absl::StatusOr<Path> path = ParsePath(text);
  if (!path.ok()) return {path.status()};
  return Write<Nothing>(
      caller, What{"set erasure coding policy on ", text},
      [&](Attempt& attempt) -> absl::StatusOr<Nothing> {
        mu_.AssertHeld();
        const bool replicate = absl::EqualsIgnoreCase(name, ErasurePolicies::Replication()->name);
        const erasure::Policy* policy = nullptr;
        if (!replicate) {
          if (!options_.erasure_coding) return NotOffered();
          const absl::string_view wanted = name.empty() ? options_.default_erasure_policy : name;
          if (wanted.empty()) {
            return Refuse(
                "no erasure coding policy is named, and there is no default one "
                "(dfs.namenode.ec.system.default.policy)");
          }
          ASSIGN_OR_RETURN(policy, FindEnabledPolicy(wanted));
        }
        ASSIGN_OR_RETURN(const Resolved at,
                         attempt.Resolve(*path, View::IfBlocked::kAccessControl));
        if (!at.exists()) {
          return MakeFsError(FsError::kFileNotFound,
                             absl::StrCat("Path not found: ", ForMessage(text)));
        }
        const Inode& target = *at.target();
        RETURN_IF_ERROR(attempt.Check(target, kWrite));
        if (!target.is_directory()) {
          return MakeFsError(FsError::kIo,
                             absl::StrCat("Attempt to set an erasure coding policy for a file ",
                                          ForMessage(text)));
        }
        edit::SetErasurePolicy& change = *attempt.NewEdit().mutable_set_erasure_policy();
        change.set_inode(ToInt(target.id));
        change.set_policy(policy == nullptr ? 0 : policy->id);
        change.set_replicate(replicate);
        attempt.Commit();
        return Nothing{};
      });
}

Outcome<Nothing> NamenodeImpl::UnsetErasurePolicy(const Caller& caller, absl::string_view text) {
  absl::StatusOr<Path> path = ParsePath(text);
  if (!path.ok()) return {path.status()};
  return Write<Nothing>(
      caller, What{"unset erasure coding policy on ", text},
      [&](Attempt& attempt) -> absl::StatusOr<Nothing> {
        ASSIGN_OR_RETURN(const Resolved at,
                         attempt.Resolve(*path, View::IfBlocked::kAccessControl));
        if (!at.exists()) {
          return MakeFsError(FsError::kFileNotFound,
                             absl::StrCat("Path not found: ", ForMessage(text)));
        }
        const Inode& target = *at.target();
        RETURN_IF_ERROR(attempt.Check(target, kWrite));
        if (!target.is_directory()) {
          return MakeFsError(
              FsError::kIo,
              absl::StrCat("Cannot unset an erasure coding policy on a file ", ForMessage(text)));
        }
        if (target.erasure == nullptr) {
          return MakeFsError(
              FsError::kNoErasurePolicySet,
              absl::StrCat("No erasure coding policy explicitly set on ", ForMessage(text)));
        }
        attempt.NewEdit().mutable_set_erasure_policy()->set_inode(ToInt(target.id));
        attempt.Commit();
        return Nothing{};
      });
}

// What HDFS answers for a policy that equals one that is there: that one, whatever its name.
static std::optional<ErasurePolicyInfo> FindEqual(const ErasurePolicies& policies,
                                                  const erasure::Policy& policy) {
  for (const ErasurePolicyInfo& info : policies.All()) {
    if (info.policy->schema == policy.schema && info.policy->cell_bytes == policy.cell_bytes) {
      return info;
    }
  }
  return std::nullopt;
}

static absl::StatusOr<uint32_t> FreePolicyId(const ErasurePolicies& policies) {
  for (uint32_t id = ErasurePolicies::kFirstUserId; id <= ErasurePolicies::kMaxId; ++id) {
    if (policies.Find(id) == nullptr) return id;
  }
  return Refuse(absl::StrCat("Adding erasure coding policy failed: the cluster has ",
                             ErasurePolicies::kMaxId - ErasurePolicies::kFirstUserId + 1,
                             " policies of its own already, and an id is never used again"));
}

static absl::Status CheckNewPolicy(const erasure::Policy& policy) {
  RETURN_IF_ERROR(erasure::CheckSchema(policy.schema));
  return erasure::CheckCell(policy.cell_bytes);
}

Outcome<std::vector<absl::StatusOr<ErasurePolicyInfo>>> NamenodeImpl::AddErasurePolicies(
    const Caller& caller, const std::vector<erasure::Policy>& policies) {
  using Results = std::vector<absl::StatusOr<ErasurePolicyInfo>>;
  const auto body = [&](Attempt& attempt) -> absl::StatusOr<Results> {
    mu_.AssertHeld();
    RETURN_IF_ERROR(attempt.CheckSuperuser());
    const ErasurePolicies& known = tree_->erasure_policies();
    attempt.SawTx(last_txid_);
    Results results;
    for (const erasure::Policy& wanted : policies) {
      if (absl::Status status = CheckNewPolicy(wanted); !status.ok()) {
        results.push_back(Refuse(status.message()));
        continue;
      }
      if (const auto equal = FindEqual(known, wanted)) {
        results.push_back(*equal);
        continue;
      }
      const absl::StatusOr<uint32_t> id = FreePolicyId(known);
      if (!id.ok()) {
        results.push_back(id.status());
        continue;
      }
      erasure::Policy added = wanted;
      added.id = static_cast<uint8_t>(*id);
      added.name = erasure::ComposeName(added.schema, added.cell_bytes);
      EncodePolicy(added, ErasurePolicyState::kDisabled,
                   attempt.NewEdit().mutable_put_erasure_policy());
      attempt.CommitAside();
      results.push_back(ErasurePolicyInfo{known.Find(added.id), ErasurePolicyState::kDisabled});
    }
    return results;
  };
  // Each edit is one of the namenode's own: a resent call finds the policies there.
  const auto retried = [](const RetryCache::Answer&, View&) -> absl::StatusOr<Results> {
    return absl::InternalError("only idempotent calls come here");
  };
  return Write<Results>(caller, "add erasure coding policies", body, retried);
}

Outcome<bool> NamenodeImpl::ChangeErasurePolicy(const Caller& caller, absl::string_view name,
                                                ErasurePolicyState state) {
  return Write<bool>(
      caller, What{"change erasure coding policy ", name},
      [&](Attempt& attempt) -> absl::StatusOr<bool> {
        mu_.AssertHeld();
        RETURN_IF_ERROR(attempt.CheckSuperuser());
        const std::optional<ErasurePolicyInfo> found = tree_->erasure_policies().FindByName(name);
        attempt.SawTx(last_txid_);
        if (!found) {
          return Refuse(absl::StrCat("The policy name ", ForMessage(name), " does not exist"));
        }
        if (state == ErasurePolicyState::kRemoved && IsSystem(*found->policy)) {
          return Refuse(absl::StrCat("System erasure coding policy ", found->policy->name,
                                     " cannot be removed"));
        }
        if (found->state == state) return false;
        EncodePolicy(*found->policy, state, attempt.NewEdit().mutable_put_erasure_policy());
        attempt.Commit();
        return true;
      });
}

}  // namespace cairn::namenode
