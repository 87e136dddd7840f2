// bench/file_maker.h - files and their replicas in a namenode of this process, without clients and
// datanodes: it believes what is said for them. Every error ends the program.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "bench/local_namenode.h"
#include "common/mutex.h"
#include "namenode/blocks/replica.h"

namespace cairn::bench {

inline constexpr uint64_t kReplication = 3;
inline constexpr uint64_t kBlockBytes = 4096;

// A datanode, and its one storage.
struct HolderIds {
  std::string datanode_uuid, storage_uuid;
};

// Of block `i`, different ones, at random: indices of `holders` datanodes, at least kReplication.
std::array<uint32_t, kReplication> HoldersOf(uint64_t i, uint64_t holders);

// Datanodes that exist only by what is told of them. Thread-safe.
class ToldDatanodes {
 public:
  // Registers them; `local` outlives this.
  ToldDatanodes(LocalNamenode& local, std::vector<HolderIds> ids);

  // `blocks` are blocks first, first + 1, ... and their holders have all of each. Once a second
  // every datanode gives a sign of life, so that none is taken for silent.
  void Report(uint64_t first, std::span<const namenode::BlockVersion> blocks)
      ABSL_LOCKS_EXCLUDED(mu_);

 private:
  struct Session {
    uint64_t id = 0, sequence = 0;
  };

  namenode::StorageInfo StorageOf(size_t holder) const;
  void Register(size_t holder) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Heartbeats() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  LocalNamenode& local_;
  const std::vector<HolderIds> ids_;
  Mutex mu_;
  std::vector<Session> sessions_ ABSL_GUARDED_BY(mu_);
  double next_heartbeats_ ABSL_GUARDED_BY(mu_) = 0;
};

// Makes files as a client does. Thread-safe.
class FileMaker {
 public:
  FileMaker(LocalNamenode& local, std::string client_name);  // `local` outlives this

  // Goes on when the disk keeps up.
  InodeId Create(const std::string& path);
  // The next block, of kBlockBytes.
  namenode::BlockVersion AddBlock(const std::string& path);
  // The ticket to wait for. A last block has been reported.
  uint64_t Complete(const std::string& path, InodeId file,
                    const std::optional<namenode::BlockVersion>& last);

 private:
  namenode::Caller caller() const { return {.user = user_, .remote_ip = "127.0.0.1"}; }

  LocalNamenode& local_;
  const std::string client_name_;
  const std::string user_;
};

}  // namespace cairn::bench
