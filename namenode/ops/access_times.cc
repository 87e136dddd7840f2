// Access times. A reader finds, under the lock that it shares with the others, that its file's is
// older than the precision, and leaves the file's id; maintenance makes the edit. So nobody who
// reads waits for the lock that changes need, nor for the journal.
#include "namenode/core/run.h"

namespace cairn::namenode {

bool NamenodeImpl::IsAccessDue(const Inode& file) {
  const int64_t precision_ms = absl::ToInt64Milliseconds(options_.access_time_precision);
  if (precision_ms <= 0 || safe_mode_.on()) return false;
  const uint64_t now_ms = NowMs();
  return now_ms > file.atime_ms && now_ms - file.atime_ms > static_cast<uint64_t>(precision_ms);
}

void NamenodeImpl::RecordAccesses() {
  const Caller nobody{.user = options_.identities.superuser};
  for (const InodeId id : accessed_.Take()) {
    const auto record = [&](Attempt& attempt) -> absl::StatusOr<Nothing> {
      mu_.AssertHeld();
      ASSIGN_OR_RETURN(const Inode* const file, attempt.FindById(id));
      // Deleted meanwhile, or recorded for another reader, whose call came late to the list.
      if (file == nullptr || !IsAccessDue(*file)) return Nothing{};
      auto& change = *attempt.NewEdit().mutable_set_times();
      change.set_inode(ToInt(id));
      change.set_atime_ms(attempt.now_ms());
      attempt.Commit();
      return Nothing{};
    };
    // Forgotten in safe mode and when there is no room: the next reader says it again.
    Write<Nothing>(nobody, "record an access", record).value.status().IgnoreError();
  }
}

}  // namespace cairn::namenode
