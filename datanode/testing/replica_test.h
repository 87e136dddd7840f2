// datanode/testing/replica_test.h - a ReplicaStore over a file system in memory that can lose power
// between any two of its calls, and one block to try things on.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "common/testing/faulty_file_system.h"
#include "common/testing/status_matchers.h"
#include "common/testing/wrapped_file_system.h"
#include "datanode/testing/read_replica.h"
#include "datanode/testing/test_node.h"
#include "datanode/volume/replica_files.h"
#include "datanode/volume/replica_store.h"

namespace cairn::datanode::testing {

inline constexpr BlockId kBlock{1073741825};
inline constexpr GenerationStamp kStamp{1001};
inline constexpr GenerationStamp kNewStamp{1002};

// Calls `before_sync` ahead of each SyncDirectory, and so on: the middle of a change, for what
// happens there.
class HookedFileSystem final : public FileSystemWrapper {
 public:
  using FileSystemWrapper::FileSystemWrapper;
  absl::Status SyncDirectory(const std::string& directory) override {
    if (before_sync) before_sync();
    return FileSystemWrapper::SyncDirectory(directory);
  }

  absl::Status Remove(const std::string& path) override {
    if (before_remove) before_remove();
    return FileSystemWrapper::Remove(path);
  }

  absl::StatusOr<std::unique_ptr<File>> Open(const std::string& path,
                                             const OpenOptions& options) override {
    if (before_open) RETURN_IF_ERROR(before_open(path));
    auto file = FileSystemWrapper::Open(path, options);
    if (after_open) after_open(path);
    return file;
  }

  std::function<void()> before_sync, before_remove;
  std::function<void(const std::string&)> after_open;
  std::function<absl::Status(const std::string&)> before_open;  // an error: it fails with that
};

// Two volumes.
class ReplicaStoreTest : public ::testing::Test {
 protected:
  void Open(StoreOptions options = {}) {
    OpenUnread(options);
    ASSERT_OK(store_->Load());
  }
  // Without a look at what is on the disks.
  void OpenUnread(StoreOptions options = {}) {
    store_.reset();
    std::vector<std::unique_ptr<Volume>> volumes;
    for (const char* path : {"/v1", "/v2"}) {
      auto volume = Volume::Open(hooked_, {.path = path}, 0, "dn-uuid");
      ASSERT_OK(volume);
      volumes.push_back(*std::move(volume));
    }
    store_ = std::make_unique<ReplicaStore>(std::move(volumes), options, events_);
  }

  // Writes bytes [writer.length(), end) of data_ as one piece.
  absl::Status WriteTo(ReplicaWriter& writer, uint64_t end) {
    const auto data = std::as_bytes(std::span(data_.data(), end));
    const uint64_t from = writer.length();
    const uint64_t crc_from = transfer::DataChecksum().RoundDown(from);
    std::vector<std::byte> crcs(transfer::DataChecksum().ChecksumBytes(end - crc_from));
    transfer::DataChecksum().Compute(data.subspan(crc_from), crcs);
    // O_DIRECT wants aligned memory.
    std::unique_ptr<void, decltype(&std::free)> memory(
        std::aligned_alloc(4096, (end + 4095) / 4096 * 4096), &std::free);
    std::memcpy(memory.get(), data.data(), data.size());
    return writer.Write(0, std::span(static_cast<std::byte*>(memory.get()), data.size()), from,
                        crc_from, crcs);
  }
  absl::StatusOr<std::unique_ptr<ReplicaWriter>> Create(GenerationStamp stamp = kStamp) {
    return store_->Create({.block = kBlock, .stamp = stamp});
  }
  absl::Status WriteFinalized(uint64_t length) {
    ASSIGN_OR_RETURN(const auto writer, Create());
    RETURN_IF_ERROR(WriteTo(*writer, length));
    return writer->Finalize();
  }
  // What a reader gets, every chunk verified.
  absl::StatusOr<std::string> ReadAll() { return ReadVerified(*store_, kBlock); }

  const std::string data_ = Pattern(300'000);
  // The files of the replica in its present state.
  ReplicaPaths Paths() const {
    const ReplicaInfo info = *store_->Find(kBlock);
    const Volume& volume = *store_->volumes()[static_cast<size_t>(info.volume)];
    return PathsIn(volume.DirectoryOf(kBlock, info.state), kBlock, info.stamp);
  }
  // The path of another meta file beside those files.
  std::string MetaOfStamp(uint64_t stamp) const {
    return PathsIn(ParentDirectory(Paths().data), kBlock, GenerationStamp{stamp}).meta;
  }
  // The disk rots, and `act` finds it: refused, with nothing written.
  template <typename Act>
  void ExpectRefusedWithRotAt(uint64_t offset, Act act) {
    const ReplicaPaths paths = Paths();
    ASSERT_OK(fs_.FlipBit(paths.data, offset, 3));
    ASSERT_OK_AND_ASSIGN(const std::string data, fs_.ReadAll(paths.data, 1 << 20));
    ASSERT_OK_AND_ASSIGN(const std::string meta, fs_.ReadAll(paths.meta, 1 << 20));
    EXPECT_THAT(act(), StatusIs(absl::StatusCode::kDataLoss));
    EXPECT_THAT(fs_.ReadAll(paths.data, 1 << 20), IsOkAndHolds(data));
    EXPECT_THAT(fs_.ReadAll(paths.meta, 1 << 20), IsOkAndHolds(meta));
  }

  // The disk rots, and the next starts find it: corrupt, every byte left as it is.
  void ExpectDamagedAtStartWithRotAt(uint64_t offset) {
    const ReplicaPaths paths = Paths();
    ASSERT_OK(fs_.FlipBit(paths.data, offset, 3));
    ASSERT_OK_AND_ASSIGN(const std::string data, fs_.ReadAll(paths.data, 1 << 20));
    for (int start = 0; start < 2; ++start) {
      Open();
      ASSERT_TRUE(store_->Find(kBlock).has_value());
      const ReplicaInfo info = *store_->Find(kBlock);
      EXPECT_EQ(info.state, ReplicaState::kCorrupt);
      EXPECT_THAT(store_->List(info.volume), ::testing::ElementsAre(info));
      EXPECT_THAT(store_->OpenForRead(kBlock, kStamp), StatusIs(absl::StatusCode::kDataLoss));
      EXPECT_THAT(store_->InitRecovery(kBlock, GenerationStamp{2000}),
                  StatusIs(absl::StatusCode::kDataLoss));
      EXPECT_THAT(fs_.ReadAll(paths.data, 1 << 20), IsOkAndHolds(data));
    }
  }
  // In the directory for what is being written.
  std::vector<std::string> FilesOfTheBlock() {
    std::vector<std::string> files;
    for (const Volume* const volume : store_->volumes()) {
      const std::vector<std::string> names = fs_.List(volume->RbwDirectory()).value();
      for (const std::string& name : names) {
        if (absl::StartsWith(name, absl::StrCat("blk_", ToSigned(kBlock)))) files.push_back(name);
      }
    }
    return files;
  }

  FaultyFileSystem fs_;
  HookedFileSystem hooked_{fs_};
  RecordedEvents events_;
  std::unique_ptr<ReplicaStore> store_;
};

}  // namespace cairn::datanode::testing
