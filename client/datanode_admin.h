// client/datanode_admin.h - what operators ask of one datanode, on its IPC port: HDFS's
// ClientDatanodeProtocol, and "cairn.AdminProtocol" (proto/admin.proto).
//
// Errors as in client/file_system.h; kUnavailable at once when the datanode cannot be reached.
// Threads: any.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "client/admin_types.h"
#include "client/options.h"

namespace cairn::client {

class RpcChannel;

class DatanodeAdmin {
 public:
  // `address` is host:port, the port being the IPC port. Makes no call. kInvalidArgument: it is
  // not.
  static absl::StatusOr<std::unique_ptr<DatanodeAdmin>> Connect(absl::string_view address,
                                                                const ClientOptions& options);
  DatanodeAdmin(std::unique_ptr<RpcChannel> client_protocol, std::unique_ptr<RpcChannel> cairn);
  ~DatanodeAdmin();
  DatanodeAdmin(const DatanodeAdmin&) = delete;
  DatanodeAdmin& operator=(const DatanodeAdmin&) = delete;

  absl::StatusOr<DatanodeFacts> GetInfo();
  absl::StatusOr<DatanodeStatus> Describe();  // kUnimplemented: it is no Cairn datanode
  absl::StatusOr<std::vector<VolumeReport>> GetVolumes();
  absl::StatusOr<uint64_t> GetBalancerBandwidth();  // bytes a second
  // `namenode` (host:port) may be empty: to every one it knows.
  absl::Status TriggerBlockReport(bool incremental, absl::string_view namenode);
  // Writers on this datanode are cut off; their clients go on with other datanodes.
  absl::Status EvictWriters();
  // Its configuration is read again and what can be changed while running is; returns at once.
  absl::Status StartReconfiguration();
  // Nothing: there was none since its start.
  absl::StatusOr<std::optional<ReconfigurationTask>> GetReconfiguration();
  absl::StatusOr<std::vector<std::string>> ListReconfigurableProperties();
  // `for_upgrade`: clients are told to wait for it.
  absl::Status Shutdown(bool for_upgrade);

 private:
  template <typename Response, typename Request>
  absl::StatusOr<Response> Ask(absl::string_view method, const Request& request);
  const std::unique_ptr<RpcChannel> channel_, cairn_;
};

}  // namespace cairn::client
