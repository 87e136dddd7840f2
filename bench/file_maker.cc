#include "bench/file_maker.h"

#include <chrono>
#include <thread>
#include <utility>

#include "bench/measure.h"
#include "common/check.h"
#include "common/replica_digest.h"
#include "common/user_groups.h"
#include "namenode/blocks/datanode_reports.h"

namespace cairn::bench {

using namenode::BlockVersion;

std::array<uint32_t, kReplication> HoldersOf(uint64_t i, uint64_t holders) {
  const uint64_t random = ReplicaDigest::Mix(i + 1);
  const uint64_t first = random % holders;
  const uint64_t step = 1 + (random >> 32) % ((holders - 1) / 2);
  std::array<uint32_t, kReplication> chosen;
  for (uint64_t k = 0; k < kReplication; ++k) {
    chosen[k] = static_cast<uint32_t>((first + k * step) % holders);
  }
  return chosen;
}

ToldDatanodes::ToldDatanodes(LocalNamenode& local, std::vector<HolderIds> ids)
    : local_(local), ids_(std::move(ids)) {
  CHECK_GE(ids_.size(), kReplication);
  MutexLock lock(mu_);
  for (size_t holder = 0; holder < ids_.size(); ++holder) Register(holder);
}

namenode::StorageInfo ToldDatanodes::StorageOf(size_t holder) const {
  namenode::StorageInfo storage;
  storage.uuid = ids_[holder].storage_uuid;
  storage.capacity_bytes = storage.remaining_bytes = uint64_t{1} << 44;
  return storage;
}

void ToldDatanodes::Register(size_t holder) {
  namenode::DatanodeRegistration registration;
  registration.layout_version = namenode::kDatanodeLayoutVersion;
  registration.datanode_uuid = ids_[holder].datanode_uuid;
  registration.address.ip = "127.0.0.1";
  registration.address.host_name = "localhost";
  registration.address.transfer_port = static_cast<uint16_t>(1 + holder);
  registration.storages = {StorageOf(holder)};
  const auto welcome = local_.namenode().Register(registration);
  CHECK_OK(welcome.status());
  sessions_.push_back({.id = welcome->session});
}

void ToldDatanodes::Heartbeats() {
  for (size_t holder = 0; holder < ids_.size(); ++holder) {
    namenode::DatanodeHeartbeat heartbeat;
    heartbeat.datanode_uuid = ids_[holder].datanode_uuid;
    heartbeat.session = sessions_[holder].id;
    heartbeat.storages = {StorageOf(holder)};
    CHECK_OK(local_.namenode().Heartbeat(heartbeat).status());
  }
  next_heartbeats_ = Now() + 1;
}

void ToldDatanodes::Report(uint64_t first, std::span<const BlockVersion> blocks) {
  std::vector<std::vector<namenode::ReportedReplica>> finalized(ids_.size());
  for (size_t i = 0; i < blocks.size(); ++i) {
    for (const uint32_t holder : HoldersOf(first + i, ids_.size())) {
      finalized[holder].push_back({blocks[i], namenode::ReplicaState::kFinalized});
    }
  }
  MutexLock lock(mu_);
  if (Now() > next_heartbeats_) Heartbeats();
  for (size_t holder = 0; holder < ids_.size(); ++holder) {
    namenode::ChangesReport report;
    report.datanode_uuid = ids_[holder].datanode_uuid;
    report.session = sessions_[holder].id;
    report.sequence = ++sessions_[holder].sequence;
    report.storages.push_back({ids_[holder].storage_uuid, std::move(finalized[holder])});
    CHECK_OK(local_.namenode().ReportChanges(report));
  }
}

FileMaker::FileMaker(LocalNamenode& local, std::string client_name)
    : local_(local), client_name_(std::move(client_name)), user_(ProcessUserName()) {}

InodeId FileMaker::Create(const std::string& path) {
  namenode::CreateOptions options;
  options.client_name = client_name_;
  options.replication = kReplication;
  auto created = local_.namenode().Create(caller(), path, options);
  while (absl::IsResourceExhausted(created.value.status())) {  // the disk does not keep up
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    created = local_.namenode().Create(caller(), path, options);
  }
  CHECK_OK(created.value.status());
  return created.value->id;
}

BlockVersion FileMaker::AddBlock(const std::string& path) {
  namenode::AddBlockRequest request;
  request.path = path;
  request.client_name = client_name_;
  const auto added = local_.namenode().AddBlock(caller(), request, nullptr);
  CHECK_OK(added.value.status());
  BlockVersion block = added.value->block;
  block.length = kBlockBytes;
  return block;
}

uint64_t FileMaker::Complete(const std::string& path, InodeId file,
                             const std::optional<BlockVersion>& last) {
  const auto completed =
      local_.namenode().Complete(caller(), path, file, client_name_, last, nullptr);
  CHECK_OK(completed.value.status());
  CHECK(*completed.value) << path << " is not complete";
  return completed.ticket;
}

}  // namespace cairn::bench
