// client/erasure_admin.h - erasure coding policies: which a cluster knows, and which are set at its
// directories. The part of HDFS's ClientProtocol behind `cairn ec`, of an Apache HDFS as well.
//
// Errors as in client/file_system.h; besides kInternal: the server sent a policy that cannot be.
// Codecs travel by their names, so that a server may know more of them than this program.
//
// Threads: any, several at once.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "client/options.h"

namespace cairn::client {

class RpcChannel;

enum class ErasurePolicyState : uint8_t { kDisabled, kEnabled, kRemoved };

struct ErasurePolicy {
  uint32_t id = 0;   // the cluster gives it; 0: it has not yet
  std::string name;  // "RS-6-3-1024k"
  std::string codec;
  uint32_t data_units = 0, parity_units = 0;
  std::vector<std::pair<std::string, std::string>> options;  // of the codec
  uint32_t cell_bytes = 0;
  ErasurePolicyState state = ErasurePolicyState::kEnabled;

  bool operator==(const ErasurePolicy&) const = default;
};

// What became of a policy that was to be added.
struct AddedErasurePolicy {
  std::string name;
  std::optional<std::string> refused;  // why; absent: the cluster has it
};

struct ErasureCodec {
  std::string name;
  std::vector<std::string> coders;  // the one that is tried first first
};

// Whether there are datanodes and racks enough for some policies.
struct ErasureTopology {
  bool supported = false;
  std::string message;  // in the namenode's words
};

class ErasureAdmin {
 public:
  // `uri` as for FileSystem::Connect. Makes no call.
  static absl::StatusOr<std::unique_ptr<ErasureAdmin>> Connect(absl::string_view uri,
                                                               const ClientOptions& options = {});
  explicit ErasureAdmin(std::unique_ptr<RpcChannel> client_protocol);  // tests give a channel
  ~ErasureAdmin();
  ErasureAdmin(const ErasureAdmin&) = delete;
  ErasureAdmin& operator=(const ErasureAdmin&) = delete;

  // ---- Of the cluster ----

  // Of all states, in the server's order.
  absl::StatusOr<std::vector<ErasurePolicy>> ListPolicies();
  absl::StatusOr<std::vector<ErasureCodec>> ListCodecs();
  // Ids and states of `policies` are not looked at. An outcome for each, in the same order.
  absl::StatusOr<std::vector<AddedErasurePolicy>> AddPolicies(
      const std::vector<ErasurePolicy>& policies);
  absl::Status RemovePolicy(absl::string_view name);
  absl::Status EnablePolicy(absl::string_view name);
  absl::Status DisablePolicy(absl::string_view name);
  // Of the policies named; of all that are enabled if none is.
  absl::StatusOr<ErasureTopology> CheckTopology(const std::vector<std::string>& names);

  // ---- Of a path ----

  // nullopt: replicated.
  absl::StatusOr<std::optional<ErasurePolicy>> GetPolicy(absl::string_view path);
  // nullopt: the cluster's default; "replication": files below are replicated whatever is set
  // above.
  absl::Status SetPolicy(absl::string_view path, const std::optional<std::string>& name);
  // FsError::kNoErasurePolicySet: none is set at the directory itself.
  absl::Status UnsetPolicy(absl::string_view path);

 private:
  template <typename Response, typename Request>
  absl::StatusOr<Response> Ask(absl::string_view method, const Request& request);

  const std::unique_ptr<RpcChannel> channel_;
};

}  // namespace cairn::client
