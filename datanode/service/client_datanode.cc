#include "datanode/service/client_datanode.h"

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/fs_error.h"
#include "common/logging.h"
#include "proto/hdfs/client_datanode.pb.h"
#include "wire/parse_message.h"

namespace cairn::datanode {
namespace {

bool NeedsSuperuser(absl::string_view method) {
  return method == "shutdownDatanode" || method == "evictWriters" ||
         method == "triggerBlockReport" || method == "refreshNamenodes" ||
         method == "deleteBlockPool" || method == "getVolumeReport" ||
         method == "startReconfiguration" || method == "getReconfigurationStatus" ||
         method == "listReconfigurableProperties";
}

}  // namespace

void ClientDatanodeService::Handle(const rpc::CallInfo& call, absl::string_view method,
                                   absl::string_view request, rpc::RpcReply& reply) {
  if (NeedsSuperuser(method) && call.principal.user != hooks_.superuser) {
    return reply.Fail(
        MakeFsError(FsError::kAccessControl,
                    absl::StrCat("Access denied for user ", call.principal.user,
                                 ". Superuser privilege is required for operation ", method)));
  }
  if (method == "getReplicaVisibleLength") return GetReplicaVisibleLength(request, reply);
  if (method == "getVolumeReport") return GetVolumeReport(reply);
  if (method == "getDatanodeInfo") {
    hdfs::GetDatanodeInfoResponseProto response;
    response.mutable_localinfo()->set_softwareversion(hooks_.software_version);
    response.mutable_localinfo()->set_configversion("core-0,hdfs-0");
    response.mutable_localinfo()->set_uptime(
        static_cast<uint64_t>(absl::ToInt64Seconds(absl::Now() - hooks_.started)));
    return reply.Send(response);
  }
  if (method == "triggerBlockReport") {
    hdfs::TriggerBlockReportRequestProto message;
    if (!ParseMessage(request, &message)) {
      return reply.Fail(absl::InvalidArgumentError("the request does not parse"));
    }
    hooks_.trigger_report(!message.incremental());
    return reply.Send(hdfs::TriggerBlockReportResponseProto());
  }
  if (method == "getBalancerBandwidth") {
    hdfs::GetBalancerBandwidthResponseProto response;
    response.set_bandwidth(hooks_.balance_bandwidth());
    return reply.Send(response);
  }
  if (method == "refreshNamenodes") return reply.Send(hdfs::RefreshNamenodesResponseProto());
  if (method == "evictWriters") {
    EvictWriters();
    return reply.Send(hdfs::EvictWritersResponseProto());
  }
  if (method == "shutdownDatanode") {
    hdfs::ShutdownDatanodeRequestProto message;
    if (!ParseMessage(request, &message)) {
      return reply.Fail(absl::InvalidArgumentError("the request does not parse"));
    }
    LOG_INFO("{} asks this datanode to shut down{}", call.principal.user,
             message.forupgrade() ? " and restart" : "");
    hooks_.shut_down(message.forupgrade());
    return reply.Send(hdfs::ShutdownDatanodeResponseProto());
  }
  if (method == "startReconfiguration" && hooks_.reconfiguration != nullptr) {
    const absl::Status started = hooks_.reconfiguration->Start();
    if (!started.ok()) return reply.Fail(started);
    LOG_INFO("{} asks this datanode to read its configuration again", call.principal.user);
    return reply.Send(hdfs::StartReconfigurationResponseProto());
  }
  if (method == "getReconfigurationStatus" && hooks_.reconfiguration != nullptr) {
    return GetReconfigurationStatus(reply);
  }
  if (method == "listReconfigurableProperties" && hooks_.reconfiguration != nullptr) {
    hdfs::ListReconfigurablePropertiesResponseProto response;
    for (const std::string& name : hooks_.reconfiguration->properties()) response.add_name(name);
    return reply.Send(response);
  }
  if (method == "getBlockLocalPathInfo") {
    return reply.Fail(MakeFsError(FsError::kAccessControl,
                                  "Can't continue with getBlockLocalPathInfo() authorization. "
                                  "Paths of block files are not given out"));
  }
  reply.Fail(MakeFsError(
      FsError::kNoSuchMethod,
      absl::StrCat("Unknown method ", method.substr(0, 128), " called on ", protocol())));
}

void ClientDatanodeService::GetReplicaVisibleLength(absl::string_view request,
                                                    rpc::RpcReply& reply) {
  hdfs::GetReplicaVisibleLengthRequestProto message;
  if (!ParseMessage(request, &message)) {
    return reply.Fail(absl::InvalidArgumentError("the request does not parse"));
  }
  const auto info = store_.Find(BlockId{message.block().blockid()});
  const std::string ours = store_.volumes().front()->identity().block_pool_id;
  const bool usable = info.has_value() && (ours.empty() || message.block().poolid() == ours) &&
                      info->state != ReplicaState::kTemporary &&
                      info->state != ReplicaState::kCorrupt &&
                      ToInt(info->stamp) >= message.block().generationstamp();
  if (!usable) {
    return reply.Fail(
        MakeFsError(FsError::kReplicaNotFound,
                    absl::StrCat("Replica not found for ", message.block().poolid().substr(0, 128),
                                 ":blk_", ToSigned(BlockId{message.block().blockid()}), "_",
                                 message.block().generationstamp())));
  }
  hdfs::GetReplicaVisibleLengthResponseProto response;
  response.set_length(info->length);
  if (info->state == ReplicaState::kWaitingRecovery) response.set_waitsforrecovery(true);
  reply.Send(response);
}

void ClientDatanodeService::GetReconfigurationStatus(rpc::RpcReply& reply) {
  hdfs::GetReconfigurationStatusResponseProto response;
  const auto task = hooks_.reconfiguration->task();
  response.set_starttime(task.has_value() ? absl::ToUnixMillis(task->started) : 0);
  if (task.has_value() && task->ended.has_value()) {
    response.set_endtime(absl::ToUnixMillis(*task->ended));
    for (const PropertyChange& change : task->changes) {
      auto* const out = response.add_changes();
      out->set_name(change.name);
      out->set_oldvalue(change.old_value);
      out->set_newvalue(change.new_value);
      if (!change.status.ok()) out->set_errormessage(std::string(change.status.message()));
    }
  }
  reply.Send(response);
}

void ClientDatanodeService::GetVolumeReport(rpc::RpcReply& reply) {
  hdfs::GetVolumeReportResponseProto response;
  for (const auto& volume : store_.volumes()) {
    if (volume->failed()) continue;
    hdfs::DatanodeVolumeInfoProto* const out = response.add_volumeinfo();
    out->set_path(volume->path());
    out->set_storagetype(static_cast<hdfs::StorageTypeProto>(volume->type()));
    out->set_usedspace(volume->used_bytes());
    out->set_freespace(volume->Available());
    out->set_reservedspace(volume->reserved_bytes());
    out->set_reservedspaceforreplicas(volume->promised_bytes());
    out->set_numblocks(volume->blocks());
  }
  reply.Send(response);
}

void ClientDatanodeService::EvictWriters() {
  for (size_t volume = 0; volume < store_.volumes().size(); ++volume) {
    for (const ReplicaInfo& replica : store_.List(static_cast<int>(volume))) {
      if (replica.state != ReplicaState::kBeingWritten) continue;
      if (const auto open = store_.FindOpen(replica.block)) open->StopWriter([] {});
    }
  }
}

}  // namespace cairn::datanode
