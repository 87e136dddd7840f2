#include "datanode/heartbeat/change_report.h"

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"

namespace cairn::datanode {

size_t AddChanges(std::span<const ReplicaChange> changes, internal::ReportChangesRequest* request) {
  absl::flat_hash_map<absl::string_view, int> last_of_storage;  // indices of groups
  absl::flat_hash_map<uint64_t, int> last_of_block;
  size_t added = 0;
  for (const ReplicaChange& change : changes) {
    int& block_group = last_of_block.try_emplace(change.report.block().block_id(), 0).first->second;
    int& group = last_of_storage.try_emplace(change.storage_uuid, -1).first->second;
    if (group < 0 || group < block_group) {
      if (request->storages_size() == kMostChangeGroups) break;
      group = request->storages_size();
      request->add_storages()->set_storage_uuid(change.storage_uuid);
    }
    *request->mutable_storages(group)->add_replicas() = change.report;
    block_group = group;
    ++added;
  }
  return added;
}

}  // namespace cairn::datanode
