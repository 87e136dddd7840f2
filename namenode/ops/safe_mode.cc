#include "namenode/core/run.h"

namespace cairn::namenode {

Outcome<SafeModeStatus> NamenodeImpl::SafeMode(const Caller& caller, SafeModeAction action) {
  if (action != SafeModeAction::kGet && !IsSuperuser(caller)) {
    return {MakeFsError(
        FsError::kAccessControl,
        absl::StrCat("Access denied for user ", caller.user, ". Superuser privilege is required"))};
  }
  WriterLock lock(mu_);
  if (action == SafeModeAction::kEnter) safe_mode_.EnterManually();
  if (action == SafeModeAction::kLeave || action == SafeModeAction::kForceExit) safe_mode_.Leave();
  return {SafeModeStatus{safe_mode_.on(), safe_mode_.Describe(clock_.Monotonic())}};
}

}  // namespace cairn::namenode
