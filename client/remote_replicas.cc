#include "client/remote_replicas.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "proto/hdfs/client_namenode.pb.h"

namespace cairn::client {

absl::StatusOr<std::unique_ptr<RemoteBlockReader>> OpenRemote(
    ClientContext& context, const hdfs::DatanodeIDProto& node,
    const RemoteBlockReader::Request& request, absl::Duration connect_limit) {
  const std::string peer = absl::StrCat(context.TransferHost(node), ":", node.xferport());
  // The datanode may close an idle connection at any moment: that is no fault of the replica.
  while (std::optional<Socket> idle = context.peers.Take(peer)) {
    absl::StatusOr<std::unique_ptr<RemoteBlockReader>> reader =
        RemoteBlockReader::Open(*std::move(idle), request);
    if (reader.ok() || absl::IsCancelled(reader.status())) return reader;
  }
  ASSIGN_OR_RETURN(Socket fresh, context.ConnectTransfer(node, connect_limit));
  return RemoteBlockReader::Open(std::move(fresh), request);
}

absl::Duration ReadSilenceLimit(const ClientOptions& options, bool others) {
  const bool is_bounded = others && options.read_silence_limit > absl::ZeroDuration();
  return is_bounded ? std::min(options.read_silence_limit, options.read_timeout)
                    : options.read_timeout;
}

void KeepConnection(ClientContext& context, BlockReader& reader) {
  if (std::optional<Socket> socket = reader.Release()) context.peers.Put(*std::move(socket));
}

void ReportBadReplica(ClientContext& context, const std::string& path,
                      const hdfs::LocatedBlockProto& block, const hdfs::DatanodeInfoProto& node) {
  hdfs::ReportBadBlocksRequestProto report;
  hdfs::LocatedBlockProto& bad = *report.add_blocks();
  *bad.mutable_b() = block.b();
  *bad.mutable_blocktoken() = block.blocktoken();
  bad.set_offset(block.offset());
  bad.set_corrupt(false);
  *bad.add_locs() = node;
  for (int i = 0; i < block.locs_size() && i < block.storageids_size(); ++i) {
    if (block.locs(i).id().datanodeuuid() != node.id().datanodeuuid()) continue;
    bad.add_storageids(block.storageids(i));
    if (i < block.storagetypes_size()) bad.add_storagetypes(block.storagetypes(i));
  }
  context.Call<hdfs::ReportBadBlocksResponseProto>("reportBadBlocks", path, report)
      .status()
      .IgnoreError();  // the read goes on with another replica
}

}  // namespace cairn::client
