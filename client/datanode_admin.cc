#include "client/datanode_admin.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "client/hadoop_rpc.h"
#include "client/path.h"
#include "common/status_macros.h"
#include "proto/admin.pb.h"
#include "proto/hdfs/client_datanode.pb.h"

namespace cairn::client {

absl::StatusOr<std::unique_ptr<DatanodeAdmin>> DatanodeAdmin::Connect(
    absl::string_view address, const ClientOptions& options) {
  ASSIGN_OR_RETURN(const HostPort at, ParseHostPort(address, 0));
  if (at.port == 0) {
    return absl::InvalidArgumentError(absl::StrCat(address, ": not host:port of a datanode's IPC"));
  }
  const std::string user = options.user.empty() ? LoginUser() : options.user;
  ClientOptions once = options;
  // One that cannot be reached is told at once: the question is often whether it lives.
  once.rpc_retry_time = absl::ZeroDuration();
  ASSIGN_OR_RETURN(auto channel,
                   NewHadoopRpc(at.host, at.port, kClientDatanodeProtocol, user, once));
  ASSIGN_OR_RETURN(auto cairn, NewHadoopRpc(at.host, at.port, "cairn.AdminProtocol", user, once));
  return std::make_unique<DatanodeAdmin>(std::move(channel), std::move(cairn));
}

DatanodeAdmin::DatanodeAdmin(std::unique_ptr<RpcChannel> client_protocol,
                             std::unique_ptr<RpcChannel> cairn)
    : channel_(std::move(client_protocol)), cairn_(std::move(cairn)) {}
DatanodeAdmin::~DatanodeAdmin() = default;

template <typename Response, typename Request>
absl::StatusOr<Response> DatanodeAdmin::Ask(absl::string_view method, const Request& request) {
  Response response;
  RETURN_IF_ERROR(channel_->Call(method, request, response));
  return response;
}

absl::StatusOr<DatanodeFacts> DatanodeAdmin::GetInfo() {
  ASSIGN_OR_RETURN(const auto response,
                   Ask<hdfs::GetDatanodeInfoResponseProto>("getDatanodeInfo",
                                                           hdfs::GetDatanodeInfoRequestProto()));
  const hdfs::DatanodeLocalInfoProto& info = response.localinfo();
  return DatanodeFacts{.software_version = info.softwareversion(),
                       .config_version = info.configversion(),
                       .uptime = absl::Seconds(static_cast<int64_t>(info.uptime()))};
}

absl::StatusOr<DatanodeStatus> DatanodeAdmin::Describe() {
  admin::DescribeDatanodeResponse response;
  RETURN_IF_ERROR(cairn_->Call("describeDatanode", admin::DescribeDatanodeRequest(), response));
  return DatanodeStatus{
      .version = response.version(),
      .now = absl::FromUnixMillis(static_cast<int64_t>(response.now_ms())),
      .started = absl::FromUnixMillis(static_cast<int64_t>(response.started_ms())),
      .descriptor_limit = response.open_file_limit(),
      .descriptors_used = response.open_files_used()};
}

absl::StatusOr<std::vector<VolumeReport>> DatanodeAdmin::GetVolumes() {
  ASSIGN_OR_RETURN(const auto response,
                   Ask<hdfs::GetVolumeReportResponseProto>("getVolumeReport",
                                                           hdfs::GetVolumeReportRequestProto()));
  std::vector<VolumeReport> volumes;
  for (const hdfs::DatanodeVolumeInfoProto& p : response.volumeinfo()) {
    volumes.push_back({.path = p.path(),
                       .type = static_cast<StorageType>(p.storagetype()),
                       .used = p.usedspace(),
                       .free = p.freespace(),
                       .reserved = p.reservedspace(),
                       .reserved_for_replicas = p.reservedspaceforreplicas(),
                       .blocks = p.numblocks()});
  }
  return volumes;
}

absl::StatusOr<uint64_t> DatanodeAdmin::GetBalancerBandwidth() {
  ASSIGN_OR_RETURN(const auto response,
                   Ask<hdfs::GetBalancerBandwidthResponseProto>(
                       "getBalancerBandwidth", hdfs::GetBalancerBandwidthRequestProto()));
  return response.bandwidth();
}

absl::Status DatanodeAdmin::TriggerBlockReport(bool incremental, absl::string_view namenode) {
  hdfs::TriggerBlockReportRequestProto request;
  request.set_incremental(incremental);
  if (!namenode.empty()) request.set_nnaddress(namenode.data(), namenode.size());
  return Ask<hdfs::TriggerBlockReportResponseProto>("triggerBlockReport", request).status();
}

absl::Status DatanodeAdmin::EvictWriters() {
  return Ask<hdfs::EvictWritersResponseProto>("evictWriters", hdfs::EvictWritersRequestProto())
      .status();
}

absl::Status DatanodeAdmin::StartReconfiguration() {
  return Ask<hdfs::StartReconfigurationResponseProto>("startReconfiguration",
                                                      hdfs::StartReconfigurationRequestProto())
      .status();
}

absl::StatusOr<std::optional<ReconfigurationTask>> DatanodeAdmin::GetReconfiguration() {
  ASSIGN_OR_RETURN(const auto response,
                   Ask<hdfs::GetReconfigurationStatusResponseProto>(
                       "getReconfigurationStatus", hdfs::GetReconfigurationStatusRequestProto()));
  if (response.starttime() <= 0) return std::nullopt;
  ReconfigurationTask task{.started = absl::FromUnixMillis(response.starttime())};
  if (response.has_endtime()) task.ended = absl::FromUnixMillis(response.endtime());
  for (const auto& change : response.changes()) {
    task.changes.push_back({.name = change.name(),
                            .old_value = change.oldvalue(),
                            .new_value = change.newvalue(),
                            .error = change.errormessage()});
  }
  return task;
}

absl::StatusOr<std::vector<std::string>> DatanodeAdmin::ListReconfigurableProperties() {
  ASSIGN_OR_RETURN(const auto response, Ask<hdfs::ListReconfigurablePropertiesResponseProto>(
                                            "listReconfigurableProperties",
                                            hdfs::ListReconfigurablePropertiesRequestProto()));
  return std::vector<std::string>(response.name().begin(), response.name().end());
}

absl::Status DatanodeAdmin::Shutdown(bool for_upgrade) {
  hdfs::ShutdownDatanodeRequestProto request;
  request.set_forupgrade(for_upgrade);
  return Ask<hdfs::ShutdownDatanodeResponseProto>("shutdownDatanode", request).status();
}

}  // namespace cairn::client
