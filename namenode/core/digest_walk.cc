// The walk over the records 'r' after a start, from which blocks/replica_digests.h is made.
#include "common/logging.h"
#include "namenode/core/namenode_impl.h"
#include "namenode/store/keys.h"
#include "namenode/store/records.h"

namespace cairn::namenode {
namespace {

// Some milliseconds of reading, without a lock; the sums of a page are of few buckets.
constexpr size_t kWalkPage = 4096;

}  // namespace

bool NamenodeImpl::IsWalkingReplicas() const {
  ReaderLock lock(mu_);
  return journal_ != nullptr && !blocks_->digests().complete() && !blocks_->digests().given_up();
}

void NamenodeImpl::WalkReplicaRecords() {
  const std::string prefix(1, keys::kReplicas);
  std::unique_ptr<Store::Range> range;
  std::optional<ReplicaDigests::Page> page;
  {
    WriterLock lock(mu_);
    ReplicaDigests& digests = blocks_->digests();
    if (digests.complete() || digests.given_up()) return;
    const BlockId after = digests.walked();
    range = store_.Scan(prefix, ToInt(after) == 0 ? "" : keys::Replicas(after), kWalkPage);
    page = digests.BeginPage();
  }
  for (; range->Valid(); range->Next()) {
    uint64_t id;
    const auto record = ParseReplicas(range->key(), range->value());
    if (!record.ok() || !keys::ParseTrailingId(range->key(), &id)) {
      // As if there were none, as for whoever comes to need it.
      LOG_ERROR("{}; the datanodes' reports replace it", record.status().ToString());
      continue;
    }
    const BlockVersion version{BlockId{id}, GenerationStamp{record->generation_stamp()},
                               record->length()};
    for (const uint32_t storage : record->storages()) page->Add(storage, version);
  }
  uint64_t reached = 0;
  const bool more = range->status().ok() && range->more();
  const bool ok =
      range->status().ok() && (!more || keys::ParseTrailingId(range->resume_after(), &reached));
  const std::string error = range->status().ToString();
  range.reset();  // pins a snapshot of LevelDB
  WriterLock lock(mu_);
  if (!ok) {
    LOG_ERROR("replica records: {}; datanodes send whole lists until the next start", error);
    blocks_->digests().GiveUp();
    return;
  }
  blocks_->digests().EndPage(*page, BlockId{reached}, !more);
}

}  // namespace cairn::namenode
