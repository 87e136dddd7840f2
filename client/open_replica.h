// client/open_replica.h - one replica of a block, opened in the best way there is: by its files if
// a datanode of this machine passes them on, else over a connection.
#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client/block_reader.h"
#include "client/context.h"
#include "client/remote_block_reader.h"
#include "proto/hdfs/types.pb.h"

namespace cairn::client {

// By its files; null: its datanode is to be asked for the bytes.
std::unique_ptr<BlockReader> OpenByFiles(ClientContext& context, const hdfs::DatanodeIDProto& node,
                                         const RemoteBlockReader::Request& request);

// Not by its files unless `locally`. `connect_limit` and errors as of OpenRemote.
absl::StatusOr<std::unique_ptr<BlockReader>> OpenReplica(ClientContext& context,
                                                         const hdfs::DatanodeIDProto& node,
                                                         const RemoteBlockReader::Request& request,
                                                         bool locally,
                                                         absl::Duration connect_limit);

}  // namespace cairn::client
