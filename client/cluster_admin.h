// client/cluster_admin.h - what operators ask of a namenode: the administrators' part of HDFS's
// ClientProtocol, its refresh protocols, and "cairn.AdminProtocol" (proto/admin.proto), which an
// Apache HDFS does not have.
//
// Errors as in client/file_system.h. A method of Cairn's own protocol is kUnimplemented from a
// server that does not have it; DescribeFile then answers from the client protocol.
//
// Threads: any, several at once.
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

class ClusterAdmin {
 public:
  // `uri` as for FileSystem::Connect. Makes no call.
  static absl::StatusOr<std::unique_ptr<ClusterAdmin>> Connect(absl::string_view uri,
                                                               ClientOptions options = {});
  // Over channels that tests give.
  ClusterAdmin(std::unique_ptr<RpcChannel> client_protocol, std::unique_ptr<RpcChannel> cairn,
               ClientOptions options);
  ~ClusterAdmin();
  ClusterAdmin(const ClusterAdmin&) = delete;
  ClusterAdmin& operator=(const ClusterAdmin&) = delete;

  const std::string& authority() const { return authority_; }  // host:port
  const std::string& user() const { return user_; }

  // ---- Cairn's own ----

  // All blocks of a file with their replicas, or groups with their units. kNotFound: missing, or a
  // directory.
  absl::StatusOr<FileReport> DescribeFile(absl::string_view path);
  // nullopt: no file has such a block.
  absl::StatusOr<std::optional<OwnedBlock>> DescribeBlock(uint64_t block_id);
  // All blocks of which no good replica is left, and groups of which too few units are, of files
  // below `path`.
  absl::StatusOr<std::vector<LostBlock>> ListLostBlocks(absl::string_view path);
  absl::StatusOr<ClusterFacts> DescribeCluster();
  absl::StatusOr<Operations> GetOperations();
  // Begins the job, or renews it; `stop` ends it. Iterations below `after` are not told again.
  absl::StatusOr<BalanceProgress> Balance(const BalanceJob& job, uint64_t after, bool stop);

  // ---- ClientProtocol's ----

  // Files that are being written, by inode: all, or those that keep a datanode from being
  // decommissioned; below `path` if it is not empty. Read a page at a time.
  absl::StatusOr<std::vector<OpenFile>> ListOpenFiles(bool blocking_decommission,
                                                      absl::string_view path);
  // Files below `path` with a block of which no good replica is left; a file once per such block.
  // From `*cookie` on, which becomes what the next page is asked with; empty: there are no more.
  absl::StatusOr<std::vector<std::string>> ListCorruptFileBlocks(absl::string_view path,
                                                                 std::string* cookie);
  // Datanodes that others have found slow.
  absl::StatusOr<std::vector<DatanodeReport>> GetSlowDatanodes();
  absl::Status MetaSave(absl::string_view file_name);
  // True: there is no upgrade that could be rolled back.
  absl::StatusOr<bool> IsUpgradeFinal();
  absl::Status FinalizeUpgrade();
  absl::Status SetBalancerBandwidth(uint64_t bytes_per_second);

  // One method without arguments or answer of one of Hadoop's refresh protocols.
  absl::Status Refresh(absl::string_view protocol, absl::string_view method);

 private:
  template <typename Response, typename Request>
  absl::StatusOr<Response> Ask(RpcChannel& channel, absl::string_view method,
                               const Request& request);
  absl::StatusOr<FileReport> DescribeByLocations(absl::string_view path);

  const ClientOptions options_;
  std::string authority_, host_, user_;
  uint16_t port_ = 0;
  const std::unique_ptr<RpcChannel> hdfs_;   // ClientProtocol
  const std::unique_ptr<RpcChannel> cairn_;  // cairn.AdminProtocol
};

}  // namespace cairn::client
