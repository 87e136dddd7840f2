#include "bench/block_maker.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <thread>
#include <utility>

#include "absl/strings/str_format.h"
#include "bench/local_namenode.h"
#include "bench/measure.h"
#include "common/check.h"
#include "common/replica_digest.h"
#include "common/user_groups.h"
#include "namenode/blocks/datanode_reports.h"

namespace cairn::bench {
namespace {

using namenode::BlockVersion;

constexpr uint64_t kPerDirectory = 1000;
constexpr char kClient[] = "block_maker";

// Different ones, at random.
std::array<uint32_t, kReplication> ChooseHolders(uint64_t i, uint64_t holders) {
  const uint64_t random = ReplicaDigest::Mix(i + 1);
  const uint64_t first = random % holders;
  const uint64_t step = 1 + (random >> 32) % ((holders - 1) / 2);
  std::array<uint32_t, kReplication> chosen;
  for (uint64_t k = 0; k < kReplication; ++k) {
    chosen[k] = static_cast<uint32_t>((first + k * step) % holders);
  }
  return chosen;
}

class Maker {
 public:
  Maker(LocalNamenode& local, const std::vector<HolderIds>& holders, std::span<MadeBlock> made)
      : local_(local), holders_(holders), made_(made), user_(ProcessUserName()) {}

  void Run() {
    for (size_t holder = 0; holder < holders_.size(); ++holder) Register(holder);
    for (uint64_t first = 0; first < made_.size(); first += kPerDirectory) {
      if (Now() > next_heartbeats_) Heartbeats();
      MakeDirectory(first, std::min<uint64_t>(first + kPerDirectory, made_.size()));
    }
    CHECK_OK(local_.journal().WaitDurable(local_.journal().last_appended()));
  }

 private:
  struct Session {
    uint64_t id = 0, sequence = 0;
  };

  namenode::StorageInfo StorageOf(size_t holder) const {
    namenode::StorageInfo storage;
    storage.uuid = holders_[holder].storage_uuid;
    storage.capacity_bytes = storage.remaining_bytes = uint64_t{1} << 44;
    return storage;
  }

  void Register(size_t holder) {
    namenode::DatanodeRegistration registration;
    registration.layout_version = namenode::kDatanodeLayoutVersion;
    registration.datanode_uuid = holders_[holder].datanode_uuid;
    registration.address.ip = "127.0.0.1";
    registration.address.host_name = "localhost";
    registration.address.transfer_port = static_cast<uint16_t>(1 + holder);
    registration.storages = {StorageOf(holder)};
    const auto welcome = local_.namenode().Register(registration);
    CHECK_OK(welcome.status());
    sessions_.push_back({.id = welcome->session});
  }

  // So that none is taken for silent.
  void Heartbeats() {
    for (size_t holder = 0; holder < holders_.size(); ++holder) {
      namenode::DatanodeHeartbeat heartbeat;
      heartbeat.datanode_uuid = holders_[holder].datanode_uuid;
      heartbeat.session = sessions_[holder].id;
      heartbeat.storages = {StorageOf(holder)};
      CHECK_OK(local_.namenode().Heartbeat(heartbeat).status());
    }
    next_heartbeats_ = Now() + 1;
  }

  // Created, reported, closed: a directory at a time.
  void MakeDirectory(uint64_t first, uint64_t end) {
    const namenode::Caller caller{.user = user_, .remote_ip = "127.0.0.1"};
    std::vector<BlockVersion> blocks;
    std::vector<std::vector<namenode::ReportedReplica>> finalized(holders_.size());
    for (uint64_t i = first; i < end; ++i) {
      blocks.push_back(NewFile(caller, PathOfFile(i)));
      made_[i] = {ToInt(blocks.back().id), ToInt(blocks.back().stamp),
                  ChooseHolders(i, holders_.size())};
      for (const uint32_t holder : made_[i].holders) {
        finalized[holder].push_back({blocks.back(), namenode::ReplicaState::kFinalized});
      }
    }
    for (size_t holder = 0; holder < holders_.size(); ++holder) {
      namenode::ChangesReport report;
      report.datanode_uuid = holders_[holder].datanode_uuid;
      report.session = sessions_[holder].id;
      report.sequence = ++sessions_[holder].sequence;
      report.storages.push_back({holders_[holder].storage_uuid, std::move(finalized[holder])});
      CHECK_OK(local_.namenode().ReportChanges(report));
    }
    for (uint64_t i = first; i < end; ++i) {
      const auto completed = local_.namenode().Complete(caller, PathOfFile(i), kNoInode, kClient,
                                                        blocks[i - first], nullptr);
      CHECK_OK(completed.value.status());
      CHECK(*completed.value) << PathOfFile(i) << " is not complete";
    }
  }

  BlockVersion NewFile(const namenode::Caller& caller, const std::string& path) {
    namenode::CreateOptions options;
    options.client_name = kClient;
    options.replication = kReplication;
    absl::Status created;
    do {
      created = local_.namenode().Create(caller, path, options).value.status();
      if (absl::IsResourceExhausted(created)) {  // the disk does not keep up
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
      }
    } while (absl::IsResourceExhausted(created));
    CHECK_OK(created);
    namenode::AddBlockRequest request;
    request.path = path;
    request.client_name = kClient;
    const auto added = local_.namenode().AddBlock(caller, request);
    CHECK_OK(added.value.status());
    BlockVersion block = added.value->block;
    block.length = kBlockBytes;
    return block;
  }

  LocalNamenode& local_;
  const std::vector<HolderIds>& holders_;
  const std::span<MadeBlock> made_;
  const std::string user_;
  std::vector<Session> sessions_;
  double next_heartbeats_ = 0;
};

}  // namespace

std::string PathOfFile(uint64_t i) {
  return absl::StrFormat("/made/d%06d/f%03d", i / kPerDirectory, i % kPerDirectory);
}

std::span<const MadeBlock> MakeBlocks(const std::string& directory, uint64_t count,
                                      const std::vector<HolderIds>& holders) {
  CHECK_GE(holders.size(), kReplication);
  // Written by the child, read here.
  void* const memory = ::mmap(nullptr, count * sizeof(MadeBlock), PROT_READ | PROT_WRITE,
                              MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  CHECK(memory != MAP_FAILED);
  const std::span<MadeBlock> made(static_cast<MadeBlock*>(memory), count);
  int done[2];
  CHECK_EQ(::pipe(done), 0);
  const pid_t child = ::fork();
  CHECK_GE(child, 0);
  if (child == 0) {
    ::close(done[0]);
    CHECK_OK(LocalNamenode::Format(directory));
    auto local = LocalNamenode::Open({.directory = directory});
    CHECK_OK(local.status());
    Maker(**local, holders, made).Run();
    CHECK_EQ(::write(done[1], "", 1), 1);
    while (true) ::pause();
  }
  ::close(done[1]);
  char byte;
  CHECK_EQ(::read(done[0], &byte, 1), 1) << "the blocks could not be made";
  ::close(done[0]);
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  return made;
}

}  // namespace cairn::bench
