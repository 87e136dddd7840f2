#include "datanode/service/inter_datanode.h"

#include <memory>

#include "absl/strings/str_cat.h"
#include "common/fs_error.h"
#include "datanode/recovery/block_recovery.h"
#include "wire/parse_message.h"

namespace cairn::datanode {
namespace {

absl::Status Unparsed(absl::string_view method) {
  return absl::InvalidArgumentError(absl::StrCat(method, ": the request does not parse"));
}

}  // namespace

hdfs::ReplicaStateProto ToReplicaStateProto(ReplicaState state) {
  switch (state) {
    case ReplicaState::kFinalized:
      return hdfs::REPLICA_STATE_FINALIZED;
    case ReplicaState::kBeingWritten:
      return hdfs::REPLICA_STATE_RBW;
    case ReplicaState::kWaitingRecovery:
      return hdfs::REPLICA_STATE_RWR;
    case ReplicaState::kTemporary:
    case ReplicaState::kCorrupt:
      break;
  }
  return hdfs::REPLICA_STATE_TEMPORARY;
}

ReplicaState FromReplicaStateProto(hdfs::ReplicaStateProto state) {
  switch (state) {
    case hdfs::REPLICA_STATE_FINALIZED:
      return ReplicaState::kFinalized;
    case hdfs::REPLICA_STATE_RBW:
      return ReplicaState::kBeingWritten;
    default:
      return ReplicaState::kWaitingRecovery;
  }
}

void InterDatanodeService::Handle(const rpc::CallInfo& /*call*/, absl::string_view method,
                                  absl::string_view request, rpc::RpcReply& reply) {
  if (method == "initReplicaRecovery") {
    hdfs::InitReplicaRecoveryRequestProto message;
    if (!ParseMessage(request, &message)) return reply.Fail(Unparsed(method));
    auto later = std::make_shared<rpc::DeferredReply>(reply.Defer());
    // Not the message: calls that wait are many, and it may be large.
    const BlockId block{message.block().block().b().blockid()};
    const GenerationStamp recovery{message.block().newgenstamp()};
    pool_.Run([this, block, recovery, later] {
      if (absl::Status stopped = StopWriterAndWait(store_, block); !stopped.ok()) {
        return later->FailAt(0, stopped);
      }
      const auto info = store_.InitRecovery(block, recovery);
      hdfs::InitReplicaRecoveryResponseProto response;
      if (!info.ok() && GetFsError(info.status()) != FsError::kReplicaNotFound) {
        return later->FailAt(0, info.status());
      }
      response.set_replicafound(info.ok());
      if (info.ok()) {
        response.set_state(ToReplicaStateProto(info->state));
        response.mutable_block()->set_blockid(ToInt(info->block));
        response.mutable_block()->set_genstamp(ToInt(info->stamp));
        response.mutable_block()->set_numbytes(info->length);
      }
      later->SendAt(0, response);
    });
    return;
  }
  if (method == "updateReplicaUnderRecovery") {
    hdfs::UpdateReplicaUnderRecoveryRequestProto message;
    if (!ParseMessage(request, &message)) return reply.Fail(Unparsed(method));
    auto later = std::make_shared<rpc::DeferredReply>(reply.Defer());
    const BlockId block{message.block().blockid()};
    const GenerationStamp recovery{message.recoveryid()};
    pool_.Run([this, block, recovery, length = message.newlength(), later] {
      const absl::Status status = store_.FinishRecovery(block, recovery, length);
      if (!status.ok()) return later->FailAt(0, status);
      hdfs::UpdateReplicaUnderRecoveryResponseProto response;
      if (const auto info = store_.Find(block)) {
        response.set_storageuuid(
            store_.volumes()[static_cast<size_t>(info->volume)]->identity().storage_uuid);
      }
      later->SendAt(0, response);
    });
    return;
  }
  reply.Fail(MakeFsError(
      FsError::kNoSuchMethod,
      absl::StrCat("Unknown method ", method.substr(0, 128), " called on ", protocol())));
}

}  // namespace cairn::datanode
