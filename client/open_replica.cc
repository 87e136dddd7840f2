#include "client/open_replica.h"

#include "client/local_block_reader.h"
#include "client/remote_replicas.h"

namespace cairn::client {

std::unique_ptr<BlockReader> OpenByFiles(ClientContext& context, const hdfs::DatanodeIDProto& node,
                                         const RemoteBlockReader::Request& request) {
  const auto replica = context.local_replicas.Get(node, request.block, request.token);
  if (replica == nullptr) return nullptr;
  if (request.offset + request.length > replica->length()) {
    context.local_replicas.Reject(node, request.block);
    return nullptr;
  }
  return std::make_unique<LocalBlockReader>(replica, request.offset, request.length,
                                            request.verify && context.options.verify_local);
}

absl::StatusOr<std::unique_ptr<BlockReader>> OpenReplica(ClientContext& context,
                                                         const hdfs::DatanodeIDProto& node,
                                                         const RemoteBlockReader::Request& request,
                                                         bool locally,
                                                         absl::Duration connect_limit) {
  if (locally) {
    if (auto reader = OpenByFiles(context, node, request)) return reader;
  }
  return OpenRemote(context, node, request, connect_limit);
}

}  // namespace cairn::client
