// Real processes killed at every call that LevelDB makes to write its files, and what the next
// process finds: the store holds exactly the edits up to applied(), whatever happened.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/io/file_system.h"
#include "common/status_macros.h"
#include "common/testing/wrapped_file_system.h"
#include "namenode/store/store_testing.h"

namespace cairn::namenode {
namespace {

[[noreturn]] void Die() {
  ::kill(::getpid(), SIGKILL);
  while (true) ::pause();
}

// Kills the process at the nth call that changes a file. With `power_cut`, what was written since a
// file's last sync is first lost in part: cut somewhere, and with a hole of zeros.
class DyingFiles final : public FileSystemWrapper {
 public:
  DyingFiles(int die_at, bool power_cut)
      : left_(die_at), power_cut_(power_cut), random_(static_cast<uint64_t>(die_at)) {}

  absl::StatusOr<std::unique_ptr<File>> Open(const std::string& path,
                                             const OpenOptions& options) override {
    if (!options.write) return FileSystemWrapper::Open(path, options);
    Count();
    ASSIGN_OR_RETURN(std::unique_ptr<File> file, FileSystemWrapper::Open(path, options));
    Synced(path, 0);
    return std::make_unique<DyingFile>(std::move(file), path, *this);
  }
  absl::Status Rename(const std::string& from, const std::string& to) override {
    Count();
    std::lock_guard<std::mutex> lock(mu_);
    synced_.erase(from);
    return FileSystemWrapper::Rename(from, to);
  }
  absl::Status Remove(const std::string& path) override {
    Count();
    std::lock_guard<std::mutex> lock(mu_);
    synced_.erase(path);
    return FileSystemWrapper::Remove(path);
  }
  absl::Status SyncDirectory(const std::string& path) override {
    Count();
    return FileSystemWrapper::SyncDirectory(path);
  }

 private:
  class DyingFile final : public FileWrapper {
   public:
    DyingFile(std::unique_ptr<File> file, std::string path, DyingFiles& files)
        : FileWrapper(std::move(file)), path_(std::move(path)), files_(files) {}
    absl::Status WriteAt(uint64_t offset, std::span<const std::byte> data) override {
      files_.Count();
      return FileWrapper::WriteAt(offset, data);
    }
    absl::Status SyncData() override {
      files_.Count();
      RETURN_IF_ERROR(FileWrapper::SyncData());
      files_.Synced(path_, std::filesystem::file_size(path_));
      return absl::OkStatus();
    }

   private:
    const std::string path_;
    DyingFiles& files_;
  };

  void Count() {
    std::lock_guard<std::mutex> lock(mu_);
    if (--left_ != 0) return;
    if (power_cut_) LoseUnsynced();
    Die();
  }
  void Synced(const std::string& path, uint64_t bytes) {
    std::lock_guard<std::mutex> lock(mu_);
    synced_[path] = bytes;
  }
  void LoseUnsynced() {
    for (const auto& [path, synced] : synced_) {
      std::error_code gone;
      const uint64_t size = std::filesystem::file_size(path, gone);
      if (gone || size <= synced) continue;
      const uint64_t kept = synced + random_() % (size - synced + 1);
      std::filesystem::resize_file(path, kept);
      if (kept == synced || random_() % 2 == 0) continue;
      const uint64_t hole = synced + random_() % (kept - synced);  // the rest reads as zeros
      const uint64_t end = std::min<uint64_t>(kept, (hole / 4096 + 1) * 4096);
      std::FILE* const file = std::fopen(path.c_str(), "r+");
      std::fseek(file, static_cast<long>(hole), SEEK_SET);
      const std::string zeros(end - hole, '\0');
      std::fwrite(zeros.data(), 1, zeros.size(), file);
      std::fclose(file);
    }
  }

  std::mutex mu_;
  int left_;
  const bool power_cut_;
  std::mt19937_64 random_;
  std::map<std::string, uint64_t> synced_;
};

class StoreCrashTest : public StoreTestBase {
 protected:
  static constexpr int kKeys = 60;
  static constexpr int kBatches = 3;
  static constexpr int kEdits = 40;  // in each batch, some 60 KB: several blocks of LevelDB's log

  StoreCrashTest() { options_.write_buffer_bytes = 64 << 10; }

  // Edit `txid` is the same in every process.
  static std::string KeyOf(uint64_t txid) { return absl::StrCat("d", txid * 7 % kKeys); }
  static bool Deletes(uint64_t txid) { return txid % 5 == 4; }
  static std::string ValueOf(uint64_t txid) {
    return absl::StrCat(txid,
                        std::string(300 + txid * 37 % 2500, static_cast<char>('a' + txid % 26)));
  }
  void Apply(uint64_t edits) {
    txid_ = ToInt(store_->applied());
    for (uint64_t i = 0; i < edits; ++i) {
      const uint64_t next = txid_ + 1;
      if (Deletes(next)) {
        Edit(KeyOf(next), std::nullopt);
      } else {
        Edit(KeyOf(next), ValueOf(next));
      }
    }
  }
  void ExpectExactlyTheEditsUpToApplied() {
    const uint64_t applied = ToInt(store_->applied());
    std::map<std::string, std::string> want;
    for (uint64_t txid = 1; txid <= applied; ++txid) {
      if (Deletes(txid)) {
        want.erase(KeyOf(txid));
      } else {
        want[KeyOf(txid)] = ValueOf(txid);
      }
    }
    ASSERT_EQ(ScanAll("d", 1000), want) << "applied " << applied;
  }
  // Runs DISABLED_TheProcessThatDies in a process of its own; returns whether it was killed. A mere
  // fork would not do: LevelDB's background thread does not survive it.
  bool KilledIn(const std::vector<std::pair<std::string, std::string>>& environment) {
    const pid_t child = ::fork();
    if (child == 0) {
      ::setenv("CAIRN_CRASH_DIRECTORY", options_.directory.c_str(), 1);
      ::setenv("TMPDIR", temp_.path().c_str(), 1);  // it cannot clean up behind itself
      for (const auto& [name, value] : environment) ::setenv(name.c_str(), value.c_str(), 1);
      ::execl("/proc/self/exe", "store_crash_test", "--gtest_also_run_disabled_tests",
              "--gtest_filter=*DISABLED_TheProcessThatDies", "--gtest_brief=1", nullptr);
      ::_exit(3);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    EXPECT_TRUE(WIFSIGNALED(status) ? WTERMSIG(status) == SIGKILL
                                    : WIFEXITED(status) && WEXITSTATUS(status) == 0)
        << status;
    return WIFSIGNALED(status);
  }
  void SweepDeaths(bool power_cut) {
    ASSERT_OK(Store::Format(options_, {}));
    int die_at = 1, moved = 0, torn = 0;
    uint64_t before = 0;
    for (bool killed = true; killed; ++die_at) {
      SCOPED_TRACE(absl::StrCat("death at call ", die_at));
      killed = KilledIn(
          {{"CAIRN_CRASH_AT", absl::StrCat(die_at)}, {"CAIRN_CRASH_POWER", power_cut ? "1" : "0"}});
      if (HasFailure()) return;
      ASSERT_OK(Open());
      ExpectExactlyTheEditsUpToApplied();
      if (HasFatalFailure()) return;
      const uint64_t after = ToInt(store_->applied());
      ASSERT_GE(after, before);
      ASSERT_EQ((after - before) % kEdits, 0u) << "part of a batch";
      moved += after > before;
      torn += killed && after < before + kBatches * kEdits;
      before = after;
      store_.reset();
    }
    std::cout << die_at - 2 << " deaths, " << moved << " of them after a batch was in, " << torn
              << " before the last was\n";
    EXPECT_GT(die_at, 30);
    EXPECT_GT(moved, 5);
    EXPECT_GT(torn, 5);
  }
};

// Opens the store, makes edits, and flushes them in batches, until it is killed.
TEST_F(StoreCrashTest, DISABLED_TheProcessThatDies) {
  const char* const directory = std::getenv("CAIRN_CRASH_DIRECTORY");
  ASSERT_NE(directory, nullptr) << "run by the other tests only";
  options_.directory = directory;
  const char* const at = std::getenv("CAIRN_CRASH_AT");
  const char* const power = std::getenv("CAIRN_CRASH_POWER");
  DyingFiles files(at != nullptr ? std::atoi(at) : 0, power != nullptr && *power == '1');
  options_.files = &files;
  ASSERT_OK(Open());
  for (int round = 0; round < kBatches; ++round) {
    Apply(kEdits);
    ASSERT_OK(store_->Flush());
  }
  store_.reset();
}

TEST_F(StoreCrashTest, AProcessKilledAtAnyWriteLeavesWholeBatches) { SweepDeaths(false); }

TEST_F(StoreCrashTest, APowerCutAtAnyWriteLeavesWholeBatches) { SweepDeaths(true); }

TEST_F(StoreCrashTest, KilledBeforeTheWriteNothingIsThereAndAfterItAll) {
  ASSERT_OK(Store::Format(options_, {}));
  for (const auto& [point, applied] : std::vector<std::pair<std::string, uint64_t>>{
           {"store_flush_before_write", 0}, {"store_flush_after_write", kEdits}}) {
    ASSERT_TRUE(KilledIn({{"CAIRN_CRASH_POINT", point}}));
    ASSERT_OK(Open());
    EXPECT_EQ(ToInt(store_->applied()), applied) << point;
    ExpectExactlyTheEditsUpToApplied();
    store_.reset();
  }
}

}  // namespace
}  // namespace cairn::namenode
