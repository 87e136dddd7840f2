#include "namenode/daemon/finalize_command.h"

#include <cstdlib>
#include <string>

#include "common/net/io_threads.h"
#include "common/status_macros.h"
#include "common/user_groups.h"
#include "namenode/daemon/server.h"
#include "proto/hdfs/client_namenode.pb.h"
#include "wire/rpc/client.h"

namespace cairn::namenode {

absl::Status RunFinalize(const Config& config, std::ostream& out) {
  ASSIGN_OR_RETURN(const HostPort address, ClientAddress(config));
  const char* const user = std::getenv("HADOOP_USER_NAME");
  IoThreads threads(1, "rpc");
  absl::Status status;
  {
    rpc::RpcClient client({.host = address.host,
                           .port = address.port,
                           .protocol = "org.apache.hadoop.hdfs.protocol.ClientProtocol",
                           .user = user == nullptr ? ProcessUserName() : user,
                           .retry_time = absl::Seconds(5)},
                          threads);
    hdfs::FinalizeUpgradeResponseProto response;
    status = client.Call("finalizeUpgrade", hdfs::FinalizeUpgradeRequestProto(), &response);
  }
  threads.Stop();
  if (status.ok()) out << "Finalize upgrade successful\n";
  return status;
}

}  // namespace cairn::namenode
