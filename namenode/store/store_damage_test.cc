// Every kind of file of a real store, flipped, cut, zeroed and removed. What must hold: the damage
// is refused with a message that names the store, or what is read is exactly the content after the
// edit that applied() names; a read may fail with kDataLoss, but never gives a wrong answer.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <span>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/logging.h"
#include "namenode/store/leveldb_check.h"
#include "namenode/store/store_testing.h"

namespace cairn::namenode {
namespace {

using ::testing::HasSubstr;

std::string ReadFile(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream bytes;
  bytes << in.rdbuf();
  return bytes.str();
}

void WriteFile(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

class StoreDamageTest : public StoreTestBase {
 protected:
  // Thousands of stores are damaged here; their warnings say nothing new.
  StoreDamageTest() { SetLogLevel(LogLevel::kError); }
  ~StoreDamageTest() override { SetLogLevel(LogLevel::kInfo); }

  enum class Outcome { kRefused, kOlder, kReadFails, kWhole };

  // Makes the change in the store and remembers what the namespace is after it.
  void Change(const std::string& key, std::optional<std::string> value) {
    Edit(key, value);
    std::map<std::string, std::string> next = history_.back();
    if (value) {
      next[key] = *value;
    } else {
      next.erase(key);
    }
    history_.push_back(std::move(next));
  }
  void Flush() { ASSERT_OK(store_->Flush()); }

  // Tables from two openings, and a log with three batches: what a small namenode has on disk.
  void BuildSmall() {
    FormatAndOpen();
    for (int i = 0; i < 8; ++i) Change(absl::StrCat("d", i), absl::StrCat("first ", i));
    Flush();
    ASSERT_OK(Open());
    for (int i = 2; i < 5; ++i) Change(absl::StrCat("d", i), absl::StrCat("second ", i));
    Change("d5", std::nullopt);
    Flush();
    ASSERT_OK(Open());
    Change("d1", "third");
    Flush();
    Change("d6", std::nullopt);
    Flush();
    Change("d9", "third");
    Flush();
    Close();
  }
  // Memtables that filled up while the store ran: a MANIFEST of many records, logs that were
  // replaced, batches of several log blocks.
  void BuildLarge() {
    options_.write_buffer_bytes = 64 << 10;
    FormatAndOpen();
    for (int round = 0; round < 6; ++round) {
      for (int i = 0; i < 80; ++i) {
        const std::string key = absl::StrCat("d", 100 + (i * 7 + round * 13) % 150);
        if (i % 9 == 8) {
          Change(key, std::nullopt);
        } else {
          Change(key, std::string(500 + i * 5, static_cast<char>('a' + round)) + key);
        }
      }
      Flush();
    }
    Close();
  }
  void Close() {
    store_.reset();
    original_ = options_.directory;
    options_.directory = temp_.Path("damaged");
  }

  // The files whose name contains `part`, in order.
  std::vector<std::string> Files(absl::string_view part) {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(original_)) {
      const std::string name = entry.path().filename();
      if (absl::StrContains(name, part)) names.push_back(name);
    }
    std::sort(names.begin(), names.end());
    return names;
  }
  // A table that a compaction has replaced is still there when the store was closed before its
  // removal; nobody misses it.
  bool IsLeftOver(const std::string& name) {
    const std::string manifest_bytes = Original(Files("MANIFEST-").back());
    const auto read = [&](uint64_t offset, std::span<std::byte> out) -> absl::StatusOr<size_t> {
      if (offset >= manifest_bytes.size()) return 0;
      const size_t count = std::min<size_t>(out.size(), manifest_bytes.size() - offset);
      std::memcpy(out.data(), manifest_bytes.data() + offset, count);
      return count;
    };
    Manifest manifest;
    const auto apply = [&](uint64_t, absl::string_view record) { return manifest.Apply(record); };
    EXPECT_OK(ScanLevelDbLog(read, manifest_bytes.size(), apply).status());
    for (const auto& [table, bytes] : manifest.tables) {
      if (name == absl::StrFormat("%06d.ldb", table.second)) return false;
    }
    return absl::EndsWith(name, ".ldb");
  }
  std::string Original(const std::string& name) { return ReadFile(original_ + "/" + name); }

  void Restore() {
    store_.reset();
    std::filesystem::remove_all(options_.directory);
    std::filesystem::copy(original_, options_.directory);
  }
  std::string Damaged(const std::string& name) { return options_.directory + "/" + name; }

  Outcome OpenAndCompare() {
    last_ = Open();
    if (!last_.ok()) {
      EXPECT_TRUE(absl::IsDataLoss(last_) || absl::IsFailedPrecondition(last_)) << last_;
      EXPECT_THAT(std::string(last_.message()), HasSubstr(options_.directory));
      return Outcome::kRefused;
    }
    const uint64_t applied = ToInt(store_->applied());
    EXPECT_LT(applied, history_.size());
    if (applied >= history_.size()) return Outcome::kRefused;
    const auto& want = history_[applied];
    bool failed = false;
    for (int i = 0; i < 300; ++i) {
      const std::string key = absl::StrCat("d", i);
      const auto got = store_->Load(key);
      if (!got.ok()) {
        EXPECT_THAT(got, StatusIs(absl::StatusCode::kDataLoss));
        failed = true;
        continue;
      }
      const auto at = want.find(key);
      EXPECT_EQ(*got, at == want.end() ? std::nullopt : std::optional(at->second)) << key;
    }
    failed |= ScanFails(want);
    store_.reset();
    if (failed) return Outcome::kReadFails;
    return applied + 1 == history_.size() ? Outcome::kWhole : Outcome::kOlder;
  }
  // Returns whether the scan ended in an error; what it returned before must be right.
  bool ScanFails(const std::map<std::string, std::string>& want) {
    auto at = want.begin();
    const auto range = Scan("d", "", 10000);
    for (; range->Valid(); range->Next(), ++at) {
      EXPECT_NE(at, want.end());
      if (at == want.end()) return true;
      EXPECT_EQ(range->key(), at->first);
      EXPECT_EQ(range->value(), at->second);
    }
    EXPECT_TRUE(!range->status().ok() || at == want.end()) << "a scan ended early without an error";
    return !range->status().ok();
  }

  // Damages `name` at every `step`-th place in three ways, and returns how often each outcome was.
  std::map<Outcome, int> Sweep(const std::string& name, size_t step) {
    const std::string whole = Original(name);
    std::map<Outcome, int> outcomes;
    const auto attempt = [&](const std::string& bytes, const std::string& what) {
      SCOPED_TRACE(absl::StrCat(name, " of ", whole.size(), " bytes, ", what));
      Restore();
      WriteFile(Damaged(name), bytes);
      ++outcomes[OpenAndCompare()];
    };
    for (size_t at = 0; at < whole.size() && !HasFailure(); at += step) {
      std::string bytes = whole;
      bytes[at] = static_cast<char>(bytes[at] ^ 0x01);
      attempt(bytes, absl::StrCat("low bit flipped at ", at));
      bytes[at] = static_cast<char>(whole[at] ^ 0xff);
      attempt(bytes, absl::StrCat("byte inverted at ", at));
      attempt(whole.substr(0, at), absl::StrCat("cut at ", at));
      bytes = whole;
      std::fill(bytes.begin() + static_cast<ptrdiff_t>(at),
                bytes.begin() + static_cast<ptrdiff_t>(std::min(at + 64, bytes.size())), '\0');
      if (bytes != whole) attempt(bytes, absl::StrCat("64 bytes zeroed at ", at));
    }
    return outcomes;
  }

  std::string original_;
  std::vector<std::map<std::string, std::string>> history_ = {{}};  // by txid
  absl::Status last_;
};

TEST_F(StoreDamageTest, UndamagedItIsWhole) {
  BuildSmall();
  Restore();
  EXPECT_EQ(OpenAndCompare(), Outcome::kWhole);
}

TEST_F(StoreDamageTest, DamagedTablesAreNeverServedWrong) {
  BuildSmall();
  const auto tables = Files(".ldb");
  ASSERT_EQ(tables.size(), 3u) << "of the format and of two openings";
  for (const std::string& table : tables) {
    auto outcomes = Sweep(table, 7);
    EXPECT_GT(outcomes[Outcome::kReadFails], 0);
    EXPECT_GT(outcomes[Outcome::kRefused], 0) << "a cut table is seen when the store opens";
    EXPECT_EQ(outcomes[Outcome::kOlder], 0);
  }
}

TEST_F(StoreDamageTest, ADamagedLogIsRefusedOrLosesItsLastBatchOnly) {
  BuildSmall();
  const auto logs = Files(".log");
  ASSERT_EQ(logs.size(), 1u);
  auto outcomes = Sweep(logs[0], 1);
  EXPECT_GT(outcomes[Outcome::kRefused], 0);
  EXPECT_GT(outcomes[Outcome::kOlder], 0) << "a torn last batch is cut off";
  EXPECT_EQ(outcomes[Outcome::kReadFails], 0);
  EXPECT_EQ(outcomes[Outcome::kWhole], 0);
}

TEST_F(StoreDamageTest, ADamagedManifestOrCurrentIsRefused) {
  BuildSmall();
  auto outcomes = Sweep("CURRENT", 1);
  EXPECT_EQ(outcomes.size(), 1u);
  EXPECT_GT(outcomes[Outcome::kRefused], 0);
  const auto manifests = Files("MANIFEST-");
  ASSERT_EQ(manifests.size(), 1u);
  outcomes = Sweep(manifests[0], 1);
  EXPECT_GT(outcomes[Outcome::kRefused], 0);
  EXPECT_EQ(outcomes[Outcome::kReadFails], 0);
}

TEST_F(StoreDamageTest, AStoreThatFilledMemtablesIsCheckedAsWell) {
  BuildLarge();
  ASSERT_GE(Files(".ldb").size(), 2u);
  for (const char* part : {".log", "MANIFEST-", ".ldb"}) {
    for (const std::string& name : Files(part)) {
      const size_t size = Original(name).size();
      Sweep(name, std::max<size_t>(1, size / 40));
    }
  }
}

TEST_F(StoreDamageTest, AnyMissingFileIsRefusedByName) {
  for (const bool large : {false, true}) {
    std::filesystem::remove_all(temp_.path());
    std::filesystem::create_directory(temp_.path());
    options_.directory = temp_.Path("store");
    history_ = {{}};
    txid_ = 0;
    large ? BuildLarge() : BuildSmall();
    for (const char* part : {".log", "MANIFEST-", ".ldb", "CURRENT"}) {
      for (const std::string& name : Files(part)) {
        Restore();
        std::filesystem::remove(Damaged(name));
        const Outcome outcome = OpenAndCompare();
        // Of two logs the second may be missing: that is an older store.
        if (outcome == Outcome::kOlder && name == Files(".log").back()) continue;
        if (outcome == Outcome::kWhole && IsLeftOver(name)) continue;
        EXPECT_EQ(outcome, Outcome::kRefused) << name;
        EXPECT_THAT(last_, StatusIs(absl::StatusCode::kDataLoss, HasSubstr(name)));
      }
    }
  }
}

TEST_F(StoreDamageTest, ARefusalChangesNothingOnDisk) {
  BuildSmall();
  const std::string log = Files(".log")[0];
  std::string bytes = Original(log);
  bytes[20] = static_cast<char>(bytes[20] ^ 1);  // the first of three batches
  Restore();
  WriteFile(Damaged(log), bytes);
  std::map<std::string, std::string> before, after;
  for (const std::string& name : Files("")) before[name] = ReadFile(Damaged(name));
  ASSERT_EQ(OpenAndCompare(), Outcome::kRefused);
  EXPECT_THAT(last_, StatusIs(absl::StatusCode::kDataLoss, HasSubstr("offset 0")));
  for (const std::string& name : Files("")) after[name] = ReadFile(Damaged(name));
  EXPECT_EQ(before, after);
}

TEST_F(StoreDamageTest, TheReadableTextFilesDoNotMatter) {
  BuildSmall();
  for (const char* const name : {"LOG", "LOG.old", "LOCK"}) {
    Restore();
    std::filesystem::remove(Damaged(name));
    EXPECT_EQ(OpenAndCompare(), Outcome::kWhole);
  }
}

}  // namespace
}  // namespace cairn::namenode
