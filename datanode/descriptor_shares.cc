#include "datanode/descriptor_shares.h"

#include "common/descriptors.h"

namespace cairn::datanode {
namespace {

constexpr uint64_t kOwn = 128;
constexpr int kOfATransfer = 4;

}  // namespace

void FitToDescriptors(uint64_t limit, DatanodeOptions* options) {
  if (limit == 0) return;
  options->ipc_connections =
      Affordable("connections to the IPC port", options->ipc_connections, limit / 8);
  const uint64_t taken = kOwn + static_cast<uint64_t>(options->ipc_connections);
  options->transfer.max_transfers =
      Affordable("transfers (dfs.datanode.max.transfer.threads)", options->transfer.max_transfers,
                 limit > taken ? limit - taken : 0, kOfATransfer);
}

}  // namespace cairn::datanode
