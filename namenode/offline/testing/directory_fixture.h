// namenode/offline/testing/directory_fixture.h - a namenode's directory on disk, and a namenode
// that runs in it without a network, for tests of what is done while none runs.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "common/check.h"
#include "common/testing/fake_clock.h"
#include "common/testing/status_matchers.h"
#include "common/testing/temp_dir.h"
#include "namenode/checkpoint/checkpoint.h"
#include "namenode/core/namenode_impl.h"
#include "namenode/journal/journal.h"
#include "namenode/namespace/first_records.h"
#include "namenode/offline/name_directory.h"
#include "namenode/offline/restore.h"

namespace cairn::namenode {

class DirectoryFixture : public ::testing::Test {
 protected:
  static constexpr uint64_t kSegmentBytes = 17 << 20;

  DirectoryFixture() : directory_(temp_.Path("namenode")) {
    clock_.Advance(absl::Hours(24 * 365 * 50));
    CHECK_OK(files_.MakeDirectory(directory_));
    CHECK_OK(Store::Format(StoreIn(directory_),
                           FirstRecords({"CID-1", "BP-1", 1, "hdfs", "supergroup", 0})));
    CHECK_OK(FormatFileJournal(files_, clock_, JournalIn(directory_)));
    CHECK_OK(MakeCheckpoint(files_, clock_, NewOne([&](const std::string& to) {
                              return Store::CopyClosed(files_, StoreDirectory(directory_), to);
                            }))
                 .status());
  }
  ~DirectoryFixture() override { Stop(); }

  void Start() {
    Stop();
    cluster_ = std::make_unique<ClusterState>(ClusterState::Options(), clock_);
    auto store = Store::Open(
        StoreIn(directory_),
        [this] {
          const Journal* const journal = journal_view_;
          return journal == nullptr ? TxId{std::numeric_limits<uint64_t>::max()}
                                    : journal->durable();
        },
        [this](const std::function<void()>& body) { namenode_view_.load()->WithLock(body); });
    ASSERT_OK(store);
    store_ = *std::move(store);
    NamenodeOptions options;
    options.identities.superuser = "hdfs";
    options.identities.groups_of = [](const std::string&) { return std::vector<std::string>{}; };
    namenode_ = std::make_unique<NamenodeImpl>(options, clock_, *store_, *cluster_);
    namenode_view_ = namenode_.get();
    ASSERT_OK(namenode_->OpenStore());
    auto journal = OpenFileJournal(
        files_, clock_, JournalIn(directory_), store_->applied(), TxId{1},
        [this](TxId txid, absl::string_view edit) { return namenode_->Replay(txid, edit); });
    ASSERT_OK(journal);
    journal_ = *std::move(journal);
    journal_view_ = journal_.get();
    namenode_->StartServing(*journal_);
  }
  void Stop() {
    if (journal_ != nullptr) CHECK_OK(journal_->WaitDurable(journal_->last_appended()));
    store_.reset();  // not flushed: the journal has it
    namenode_.reset();
    journal_view_ = nullptr;
    journal_.reset();
  }

  TxId Mkdir(const std::string& path) {
    CHECK_OK(namenode_->Mkdirs(kSuperuser, path, 0755, true).value.status());
    CHECK_OK(journal_->WaitDurable(journal_->last_appended()));
    return journal_->last_appended();
  }
  std::vector<std::string> Names() {
    const auto listing = namenode_->GetListing(kSuperuser, "/", "", false);
    CHECK_OK(listing.value.status());
    std::vector<std::string> names;
    for (const ListingEntry& entry : (*listing.value)->entries) names.push_back(entry.name);
    return names;
  }
  Checkpoint MakeOne() {
    CHECK_OK(store_->Flush());
    auto made = MakeCheckpoint(
        files_, clock_, NewOne([this](const std::string& to) { return store_->CopyTo(to); }));
    CHECK_OK(made.status());
    return *std::move(made);
  }

  RestoreRequest Request() const {
    return {.directory = directory_,
            .cluster_id = "CID-1",
            .block_pool_id = "BP-1",
            .layout_version = 1,
            .journal_segment_bytes = kSegmentBytes};
  }
  std::string Segment() const {
    std::string last;
    for (const auto& entry : std::filesystem::directory_iterator(JournalDirectory(directory_))) {
      const std::string path = entry.path();
      if (path.find("/journal-") != path.npos) last = std::max(last, path);
    }
    return last;
  }
  static void Flip(const std::string& path, uint64_t offset) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(static_cast<std::streamoff>(offset));
    const char byte = static_cast<char>(file.get() ^ 0x10);
    file.seekp(static_cast<std::streamoff>(offset));
    file.put(byte);
  }

  static constexpr Caller kSuperuser{.user = "hdfs", .remote_ip = "10.0.0.1"};

  TempDir temp_;
  const std::string directory_;
  FileSystem& files_ = PosixFileSystem();
  FakeClock clock_;
  std::atomic<NamenodeImpl*> namenode_view_{nullptr};
  std::atomic<Journal*> journal_view_{nullptr};
  std::unique_ptr<ClusterState> cluster_;
  std::unique_ptr<Journal> journal_;
  std::unique_ptr<NamenodeImpl> namenode_;
  std::unique_ptr<Store> store_;

 private:
  static StoreOptions StoreIn(const std::string& directory) {
    StoreOptions options;
    options.directory = StoreDirectory(directory);
    options.tail_age = absl::Hours(1);
    return options;
  }
  static JournalOptions JournalIn(const std::string& directory) {
    JournalOptions options;
    options.directory = JournalDirectory(directory);
    options.cluster_id = "CID-1";
    options.segment_bytes = kSegmentBytes;
    options.ready_segments = 1;
    return options;
  }
  NewCheckpoint NewOne(std::function<absl::StatusOr<TxId>(const std::string&)> copy) const {
    return {.parent = CheckpointDirectory(directory_),
            .cluster_id = "CID-1",
            .block_pool_id = "BP-1",
            .layout_version = 1,
            .copy = std::move(copy)};
  }
};

}  // namespace cairn::namenode
