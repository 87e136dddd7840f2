// datanode/testing/test_store.h - a ReplicaStore over volumes in a file system that fails when it
// is told to.
#pragma once

#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/check.h"
#include "common/status_macros.h"
#include "common/testing/faulty_file_system.h"
#include "datanode/testing/read_replica.h"
#include "datanode/testing/test_node.h"
#include "datanode/volume/replica_files.h"
#include "datanode/volume/replica_store.h"

namespace cairn::datanode::testing {

class TestStore {
 public:
  explicit TestStore(std::vector<std::string> paths = {"/v1", "/v2"}, StoreOptions options = {})
      : paths_(std::move(paths)), options_(options) {
    Restart();
  }

  // Opens the volumes and finds what is there, as a datanode that starts.
  void Restart() {
    store_.reset();
    std::vector<std::unique_ptr<Volume>> volumes;
    for (const std::string& path : paths_) {
      auto volume = Volume::Open(fs, {.path = path}, 0, "dn-uuid");
      CHECK(volume.ok()) << volume.status();
      volumes.push_back(*std::move(volume));
    }
    store_ = std::make_unique<ReplicaStore>(std::move(volumes), options_, events);
    loaded = store_->Load();
  }

  ReplicaStore& operator*() { return *store_; }
  ReplicaStore* operator->() { return store_.get(); }
  Volume& volume(int index) { return *store_->volumes()[static_cast<size_t>(index)]; }
  std::string uuid(int index) { return volume(index).identity().storage_uuid; }

  absl::StatusOr<std::unique_ptr<ReplicaWriter>> Create(BlockId block, GenerationStamp stamp,
                                                        int on_volume) {
    return store_->Create({.block = block, .stamp = stamp, .storage_uuid = uuid(on_volume)});
  }
  // Appends bytes of Pattern(end) up to `end`.
  static absl::Status WriteTo(ReplicaWriter& writer, uint64_t end) {
    const std::string pattern = Pattern(end);
    const auto data = std::as_bytes(std::span(pattern));
    const uint64_t from = writer.length();
    const transfer::DataChecksum checksum;
    const uint64_t crc_from = checksum.RoundDown(from);
    std::vector<std::byte> crcs(checksum.ChecksumBytes(end - crc_from));
    checksum.Compute(data.subspan(crc_from), crcs);
    // O_DIRECT wants aligned memory.
    const std::unique_ptr<void, decltype(&std::free)> memory(
        std::aligned_alloc(4096, (end + 4095) / 4096 * 4096), &std::free);
    std::memcpy(memory.get(), data.data(), data.size());
    return writer.Write(0, std::span(static_cast<std::byte*>(memory.get()), data.size()), from,
                        crc_from, crcs);
  }
  absl::Status WriteFinalized(BlockId block, GenerationStamp stamp, int on_volume,
                              uint64_t length) {
    ASSIGN_OR_RETURN(const auto writer, Create(block, stamp, on_volume));
    RETURN_IF_ERROR(WriteTo(*writer, length));
    return writer->Finalize();
  }
  // All bytes that a reader gets, every chunk verified.
  absl::StatusOr<std::string> Read(BlockId block) { return ReadVerified(*store_, block); }
  // The files of a replica in its present state.
  ReplicaPaths Paths(BlockId block) {
    const ReplicaInfo info = *store_->Find(block);
    return PathsIn(volume(info.volume).DirectoryOf(block, info.state), block, info.stamp);
  }

  FaultyFileSystem fs;
  RecordedEvents events;
  absl::Status loaded;

 private:
  const std::vector<std::string> paths_;
  const StoreOptions options_;
  std::unique_ptr<ReplicaStore> store_;
};

}  // namespace cairn::datanode::testing
