#include "datanode/pipeline/copy_source.h"

#include "absl/strings/str_cat.h"

namespace cairn::datanode {

absl::Status CheckOrderedCopy(const ReplicaInfo& source, GenerationStamp ordered) {
  if (source.state == ReplicaState::kFinalized && source.stamp == ordered) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat(NameOf(source.block),
                   ": the copy was ordered of a finalized replica with stamp ", ToInt(ordered),
                   ", this one is ", StateName(source.state), " with stamp ", ToInt(source.stamp)));
}

absl::Status CheckPipelineCopy(const ReplicaInfo& source) {
  if (source.state == ReplicaState::kFinalized || source.state == ReplicaState::kBeingWritten) {
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError(absl::StrCat(NameOf(source.block), ": this replica is ",
                                                    StateName(source.state),
                                                    ": nobody knows how much of it counts"));
}

}  // namespace cairn::datanode
