// client/remote_replicas.h - what every read of a replica over a connection needs: an idle
// connection or a new one, and the namenode's ear for bad checksums.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client/context.h"
#include "client/remote_block_reader.h"

namespace cairn::client {

// RemoteBlockReader::Open on an idle connection to `node`, or on a new one, which comes about
// within `connect_limit` or is kUnavailable.
absl::StatusOr<std::unique_ptr<RemoteBlockReader>> OpenRemote(
    ClientContext& context, const hdfs::DatanodeIDProto& node,
    const RemoteBlockReader::Request& request, absl::Duration connect_limit);

// How long a datanode may be silent that owes bytes of a read, if there are `others` to ask.
absl::Duration ReadSilenceLimit(const ClientOptions& options, bool others);

// The connection of a reader that has been read to its end is idle now.
void KeepConnection(ClientContext& context, BlockReader& reader);

// Tells the namenode that the replica of `block` on `node`, one of its locations, does not match
// its checksums. Errors are dropped: the datanodes' own scans find it too.
void ReportBadReplica(ClientContext& context, const std::string& path,
                      const hdfs::LocatedBlockProto& block, const hdfs::DatanodeInfoProto& node);

}  // namespace cairn::client
