#include "namenode/store/leveldb_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "common/crc32c.h"
#include "common/testing/status_matchers.h"

namespace cairn::namenode {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr size_t kBlock = 32 << 10;

// Writes LevelDB's log format, by its document.
class LogBuilder {
 public:
  void Add(const std::string& record) {
    size_t at = 0;
    bool first = true;
    do {
      const size_t room = kBlock - bytes_.size() % kBlock;
      if (room < 7) {
        bytes_.append(room, '\0');
        continue;
      }
      const size_t n = std::min(record.size() - at, room - 7);
      const bool last = at + n == record.size();
      Fragment(first && last ? 1 : first ? 2 : last ? 4 : 3, record.substr(at, n));
      at += n;
      first = false;
      if (last) return;
    } while (true);
  }
  void Fragment(char type, const std::string& payload) {
    const std::string covered = type + payload;
    const uint32_t crc =
        Crc32c(std::as_bytes(std::span<const char>(covered.data(), covered.size())));
    const uint32_t masked = ((crc >> 15) | (crc << 17)) + 0xa282ead8u;
    for (int i = 0; i < 4; ++i) bytes_.push_back(static_cast<char>(masked >> (8 * i)));
    bytes_.push_back(static_cast<char>(payload.size()));
    bytes_.push_back(static_cast<char>(payload.size() >> 8));
    bytes_ += covered;
  }
  std::string bytes_;
};

class LogScanTest : public ::testing::Test {
 protected:
  LogEnd Scan(const std::string& bytes) {
    seen_.clear();
    auto end = ScanLevelDbLog(
        [&](uint64_t offset, std::span<std::byte> out) -> absl::StatusOr<size_t> {
          if (offset >= bytes.size()) return 0;
          const size_t n = std::min<size_t>(out.size(), bytes.size() - offset);
          std::memcpy(out.data(), bytes.data() + offset, n);
          return n;
        },
        4,
        [&](uint64_t, absl::string_view head) {
          seen_.emplace_back(head);
          return absl::OkStatus();
        });
    EXPECT_OK(end);
    return *end;
  }

  LogBuilder log_;
  std::vector<std::string> seen_;
};

TEST_F(LogScanTest, WholeRecordsAreSeenWhereverBlocksEnd) {
  for (const size_t size : {0u, 1u, 100u, 32753u, 32754u, 32760u, 32761u, 32762u, 100000u}) {
    log_ = {};
    log_.Add(std::string(size, 'x'));
    log_.Add("tail of it");
    const LogEnd end = Scan(log_.bytes_);
    EXPECT_TRUE(end.clean) << size << " " << end.reason;
    EXPECT_EQ(end.whole_bytes, log_.bytes_.size());
    EXPECT_THAT(seen_, ElementsAre(std::string(std::min<size_t>(size, 4), 'x'), "tail"));
  }
}

TEST_F(LogScanTest, AnEmptyLogIsClean) {
  EXPECT_TRUE(Scan("").clean);
  EXPECT_THAT(seen_, IsEmpty());
}

TEST_F(LogScanTest, ATornLastRecordIsTold) {
  log_.Add("one");
  const size_t whole = log_.bytes_.size();
  log_.Add(std::string(80000, 'y'));
  for (size_t cut = whole + 1; cut < log_.bytes_.size(); cut += 97) {
    const LogEnd end = Scan(log_.bytes_.substr(0, cut));
    ASSERT_FALSE(end.clean) << cut;
    ASSERT_FALSE(end.record_after) << cut;
    ASSERT_EQ(end.whole_bytes, whole) << cut;
  }
}

TEST_F(LogScanTest, DamageBeforeALaterRecordIsTold) {
  log_.Add("zero");
  log_.Add(std::string(80000, 'y'));
  const size_t last = log_.bytes_.size();
  log_.Add("last");
  for (size_t at = 11; at < last; at += 89) {
    std::string bytes = log_.bytes_;
    bytes[at] = static_cast<char>(bytes[at] ^ 0x10);
    const LogEnd end = Scan(bytes);
    if (at % kBlock > kBlock - 7) continue;  // filler
    ASSERT_FALSE(end.clean) << at;
    ASSERT_TRUE(end.record_after) << at;
    ASSERT_EQ(end.after_offset, last) << at;
    ASSERT_EQ(end.whole_bytes, 11u) << at;
  }
}

TEST_F(LogScanTest, ZerosAreDamageNotTheEnd) {
  log_.Add("one");
  const size_t whole = log_.bytes_.size();
  EXPECT_FALSE(Scan(log_.bytes_ + std::string(100, '\0')).clean);
  log_.bytes_.append(kBlock - whole, '\0');
  log_.Add("after a hole");
  const LogEnd end = Scan(log_.bytes_);
  EXPECT_TRUE(end.record_after);
  EXPECT_EQ(end.after_offset, kBlock);
}

TEST_F(LogScanTest, ARecordInsideAnotherAndAMiddleWithoutABeginningAreDamage) {
  log_.Fragment(2, "first");
  log_.Add("whole");
  LogEnd end = Scan(log_.bytes_);
  EXPECT_FALSE(end.clean);
  EXPECT_TRUE(end.record_after);
  EXPECT_EQ(end.whole_bytes, 0u);

  log_ = {};
  log_.Fragment(4, "last");
  end = Scan(log_.bytes_);
  EXPECT_FALSE(end.clean);
  EXPECT_FALSE(end.record_after);
}

TEST(ManifestTest, AddsUpAddedAndRemovedTables) {
  Manifest manifest;
  ASSERT_OK(
      manifest.Apply(absl::string_view("\x02\x03"          // log 3
                                       "\x07\x00\x05\x64"  // level 0, table 5, 100 bytes
                                       "\x01k\x01z",
                                       10)));
  EXPECT_TRUE(manifest.has_log_number);
  EXPECT_EQ(manifest.log_number, 3u);
  // A table that moves down a level is removed and added in one record.
  ASSERT_OK(manifest.Apply(absl::string_view("\x06\x00\x05\x07\x01\x05\x64\x01k\x01z", 11)));
  ASSERT_EQ(manifest.tables.size(), 1u);
  EXPECT_EQ((manifest.tables[{1, 5}]), 100u);
}

TEST(ManifestTest, MalformedRecordsAreRefused) {
  Manifest manifest;
  for (const absl::string_view bad :
       {absl::string_view("\x08\x01", 2), absl::string_view("\x02", 1),
        absl::string_view("\x07\x07\x05\x64\x01k\x01z", 8), absl::string_view("\x01\x7f", 2),
        absl::string_view("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 11)}) {
    EXPECT_THAT(manifest.Apply(bad), StatusIs(absl::StatusCode::kDataLoss));
  }
}

}  // namespace
}  // namespace cairn::namenode
