#include "client/open_replica.h"

#include "client/local_block_reader.h"
#include "client/remote_replicas.h"

namespace cairn::client {

absl::StatusOr<std::unique_ptr<BlockReader>> OpenReplica(ClientContext& context,
                                                         const hdfs::DatanodeIDProto& node,
                                                         const RemoteBlockReader::Request& request,
                                                         bool locally,
                                                         absl::Duration connect_limit) {
  const auto replica =
      locally ? context.local_replicas.Get(node, request.block, request.token) : nullptr;
  if (replica != nullptr) {
    if (request.offset + request.length <= replica->length()) {
      return std::make_unique<LocalBlockReader>(replica, request.offset, request.length,
                                                request.verify && context.options.verify_local);
    }
    context.local_replicas.Reject(node, request.block);
  }
  return OpenRemote(context, node, request, connect_limit);
}

}  // namespace cairn::client
