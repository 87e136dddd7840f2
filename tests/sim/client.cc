#include "tests/sim/client.h"

#include <cstring>

#include "absl/strings/str_cat.h"
#include "common/fs_error.h"
#include "tests/sim/limits.h"

namespace cairn::sim {

const absl::Duration Client::kCallLimit_ = kCallLimit;

Client::Client(World& world, Network& network, NamenodeNode& namenode, DatanodeNode::All& datanodes,
               Host host, const std::string& name)
    : network_(network),
      namenode_(namenode),
      datanodes_(datanodes),
      host_(host),
      who_([&] {
        auto who = std::make_shared<Identity>();
        who->name = name;
        // Some run on the host of a datanode: the first replica is then their own.
        who->ip = absl::StrCat("10.0.", world.OneIn(2) ? 0 : 9, ".", host % 100);
        std::memcpy(who->id.data(), name.data(), std::min<size_t>(name.size(), 16));
        return who;
      }()),
      process_(world, name) {
  network_.SetProcess(host_, &process_);
}

Client::~Client() {
  network_.SetProcess(host_, nullptr);
  process_.Kill();
  network_.CloseStreamsOf(&process_);
}

bool Client::ShouldRetry(const absl::Status& status) {
  const FsError error = GetFsError(status);
  return error == FsError::kRetriable || error == FsError::kNotReplicatedYet ||
         error == FsError::kRecoveryInProgress ||
         (error == FsError::kNone && absl::IsUnavailable(status));
}

PlacedBlock Client::Place(namenode::NamenodeImpl& namenode, const namenode::LocatedBlock& block) {
  PlacedBlock placed{.block = block.block, .offset = block.offset, .nodes = {}};
  for (const uint32_t storage : block.storages) {
    const auto location = namenode.cluster().Locate(storage);
    if (location) placed.nodes.push_back(HostOf(location->node->uuid));
  }
  return placed;
}

void Client::KeepLease(bool keep) {
  keep_lease_ = keep;
  if (!keep || renewing_) return;
  renewing_ = true;
  process_.Spawn([this] {
    while (keep_lease_) {
      Call<namenode::Nothing>([who = who_](namenode::NamenodeImpl& namenode,
                                           const namenode::Caller& caller) {
        return namenode.RenewLease(caller, who->name);
      }).IgnoreError();  // it is renewed again
      process_.Sleep(kLeaseSoftLimit / 4);
    }
    renewing_ = false;
  });
}

}  // namespace cairn::sim
