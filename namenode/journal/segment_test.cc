#include "namenode/journal/segment.h"

#include <cstring>
#include <random>
#include <span>
#include <string>

#include "absl/strings/str_cat.h"
#include "common/testing/golden.h"
#include "common/testing/status_matchers.h"

namespace cairn::namenode {
namespace {

using ::testing::HasSubstr;

constexpr uint64_t kEpoch = 0x1122334455667788;
constexpr uint32_t kRun = 7;

// A segment in memory, written as the journal writes one.
class TestSegment {
 public:
  explicit TestSegment(uint64_t bytes, TxId first = TxId{1}, uint64_t epoch = kEpoch)
      : bytes_(bytes, std::byte{0}), next_(ToInt(first)), epoch_(epoch) {
    Begin(first, epoch);
  }

  // A new life for the same file: the header changes, the rest stays.
  void Begin(TxId first, uint64_t epoch) {
    EncodeSegmentHeader({.state = SegmentHeader::State::kLive,
                         .segment_bytes = bytes_.size(),
                         .first = first,
                         .epoch = epoch,
                         .created = absl::FromUnixSeconds(1'600'000'000),
                         .cluster_id = "CID-test"},
                        std::span(bytes_).first<kJournalBlockBytes>());
    next_ = ToInt(first);
    epoch_ = epoch;
    offset_ = kJournalBlockBytes;
  }

  // Returns where the batch was written.
  uint64_t Write(const std::vector<std::string>& edits, uint32_t run = kRun) {
    std::vector<std::byte> batch = Encode(edits, run);
    std::copy(batch.begin(), batch.end(), bytes_.begin() + static_cast<ptrdiff_t>(offset_));
    const uint64_t at = offset_;
    offset_ += batch.size();
    next_ += edits.size();
    return at;
  }

  // The bytes of a batch that would come next.
  std::vector<std::byte> Encode(const std::vector<std::string>& edits, uint32_t run = kRun) const {
    size_t used = 0;
    for (const std::string& edit : edits) used += kFrameHeaderBytes + edit.size();
    std::vector<std::byte> batch(RoundUpToBlock(used), std::byte{0xEE});
    size_t at = 0;
    for (uint32_t i = 0; i < edits.size(); ++i) {
      PutFrame(TxId{next_ + i}, i, edits[i], batch.data() + at);
      at += kFrameHeaderBytes + edits[i].size();
    }
    EXPECT_EQ(SealBatch(batch, used, epoch_, run), batch.size());
    return batch;
  }

  std::vector<std::byte>& bytes() { return bytes_; }
  uint64_t offset() const { return offset_; }
  uint64_t next() const { return next_; }

 private:
  std::vector<std::byte> bytes_;
  uint64_t next_;
  uint64_t epoch_;
  uint64_t offset_ = 0;
};

std::vector<std::string> EditsOf(const SegmentContents& contents) {
  std::vector<std::string> edits;
  for (const Edit& edit : contents.edits) edits.emplace_back(edit.data);
  return edits;
}

TEST(SegmentTest, ReadsBackWhatWasWritten) {
  TestSegment segment(32 << 10, TxId{41});
  segment.Write({"one", "", std::string(5000, 'x')});
  segment.Write({"four"});
  ASSERT_OK_AND_ASSIGN(const SegmentContents contents, ReadSegment(segment.bytes()));
  EXPECT_EQ(contents.header.cluster_id, "CID-test");
  EXPECT_EQ(contents.header.first, TxId{41});
  EXPECT_EQ(contents.last, TxId{44});
  EXPECT_EQ(contents.last_run, kRun);
  EXPECT_EQ(contents.end_offset, 4u * kJournalBlockBytes);
  EXPECT_FALSE(contents.torn.has_value());
  EXPECT_EQ(EditsOf(contents),
            (std::vector<std::string>{"one", "", std::string(5000, 'x'), "four"}));
  EXPECT_EQ(contents.edits[3].txid, TxId{44});
}

TEST(SegmentTest, EmptySegmentEndsBeforeItsFirstEdit) {
  TestSegment segment(8 << 10, TxId{10});
  ASSERT_OK_AND_ASSIGN(const SegmentContents contents, ReadSegment(segment.bytes()));
  EXPECT_EQ(contents.last, TxId{9});
  EXPECT_EQ(contents.end_offset, kJournalBlockBytes);
}

TEST(SegmentTest, FullSegmentIsRead) {
  TestSegment segment(8 << 10);
  segment.Write({std::string(kJournalBlockBytes - kFrameHeaderBytes, 'f')});
  ASSERT_OK_AND_ASSIGN(const SegmentContents contents, ReadSegment(segment.bytes()));
  EXPECT_EQ(contents.last, TxId{1});
  EXPECT_EQ(contents.end_offset, segment.bytes().size());
}

// The file is not cleared when it is reused: only the epoch tells its lives apart.
TEST(SegmentTest, EditsOfAnEarlierLifeAreNotSeen) {
  TestSegment segment(64 << 10, TxId{1});
  for (int i = 0; i < 15; ++i) segment.Write({absl::StrCat("old ", i)});
  segment.Begin(TxId{2}, kEpoch + 1);  // its next txid is one that the old life has, at this place
  segment.Write({"new"});
  ASSERT_OK_AND_ASSIGN(const SegmentContents contents, ReadSegment(segment.bytes()));
  EXPECT_EQ(EditsOf(contents), std::vector<std::string>{"new"});
  EXPECT_FALSE(contents.torn.has_value());
}

// Every way in which a power cut can tear the last write, by sectors, over a recycled file.
TEST(SegmentTest, AnyTearOfTheLastWriteLeavesAllDurableEditsAndAPrefixOfTheRest) {
  const std::vector<std::string> torn_edits = {std::string(700, 'a'), std::string(90, 'b'),
                                               std::string(900, 'c'), "d", std::string(2000, 'e')};
  constexpr int kSectors = 8;
  for (int mask = 0; mask < (1 << kSectors); ++mask) {
    TestSegment segment(32 << 10);
    for (int i = 0; i < 7; ++i) segment.Write({std::string(900, 'o'), std::string(90, 'p')});
    segment.Begin(TxId{1}, kEpoch + 1);
    segment.Write({"durable 1", "durable 2"});
    const std::vector<std::byte> batch = segment.Encode(torn_edits);
    ASSERT_EQ(batch.size(), kSectors * 512u);
    for (int sector = 0; sector < kSectors; ++sector) {
      if ((mask >> sector & 1) == 0) continue;
      std::copy_n(
          batch.begin() + sector * 512, 512,
          segment.bytes().begin() + static_cast<ptrdiff_t>(segment.offset()) + sector * 512);
    }
    const auto contents = ReadSegment(segment.bytes());
    ASSERT_OK(contents) << mask;
    std::vector<std::string> expected = {"durable 1", "durable 2"};
    for (size_t i = 0; expected.size() < contents->edits.size(); ++i) {
      ASSERT_LT(i, torn_edits.size());
      expected.push_back(torn_edits[i]);
    }
    ASSERT_EQ(EditsOf(*contents), expected) << mask;
    if (mask == (1 << kSectors) - 1) {
      ASSERT_EQ(contents->edits.size(), 7u);
    }
    if (contents->edits.size() < 7 && (mask & 1) != 0) {
      ASSERT_TRUE(contents->torn.has_value()) << mask;
      EXPECT_EQ(contents->torn->txid, TxId{contents->edits.size() + 1});
    }
  }
}

// After a torn tail was cut, the next process writes over its remains. Edits of the torn batch that
// happen to follow a new edit exactly must stay dead, even where the new write is torn as well.
TEST(SegmentTest, RemainsOfATornBatchNeverComeBack) {
  const std::vector<std::string> old_edits(8, std::string(488, 'o'));  // a sector each
  const std::vector<std::string> new_edits(8, std::string(488, 'n'));
  for (int mask = 0; mask < 256; ++mask) {
    TestSegment segment(32 << 10);
    segment.Write({"durable"});
    const std::vector<std::byte> old_batch = segment.Encode(old_edits, kRun);
    const std::vector<std::byte> new_batch = segment.Encode(new_edits, kRun + 1);
    const auto at = segment.bytes().begin() + static_cast<ptrdiff_t>(segment.offset());
    std::copy(old_batch.begin() + 512, old_batch.end(), at + 512);  // the first sector got lost
    ASSERT_OK_AND_ASSIGN(const SegmentContents before, ReadSegment(segment.bytes()));
    ASSERT_EQ(before.last, TxId{1});
    for (int sector = 0; sector < 8; ++sector) {
      if ((mask >> sector & 1) != 0) {
        std::copy_n(new_batch.begin() + sector * 512, 512, at + sector * 512);
      }
    }
    ASSERT_OK_AND_ASSIGN(const SegmentContents after, ReadSegment(segment.bytes()));
    for (size_t i = 1; i < after.edits.size(); ++i) ASSERT_EQ(after.edits[i].data, new_edits[0]);
  }
}

// Rot below a batch that was written later cannot be the work of a crash.
TEST(SegmentTest, DamageBeforeTheLastBatchIsRefusedWithOffsetAndTxid) {
  TestSegment pristine(32 << 10, TxId{100});
  pristine.Write({"edit 100", "edit 101"});
  const uint64_t middle = pristine.Write({"edit 102", "edit 103"});
  pristine.Write({"edit 104"});
  const uint64_t second_frame = middle + kFrameHeaderBytes + 8;
  for (uint64_t at = middle; at < second_frame + kFrameHeaderBytes + 8; ++at) {
    TestSegment segment = pristine;
    segment.bytes()[at] ^= std::byte{0x10};
    const bool first = at < second_frame;
    EXPECT_THAT(ReadSegment(segment.bytes()).status(),
                StatusIs(absl::StatusCode::kDataLoss,
                         HasSubstr(absl::StrCat("damaged at offset ", first ? middle : second_frame,
                                                ": edit ", first ? 102 : 103, " does not"))))
        << at;
  }
}

TEST(SegmentTest, ALostBlockInTheMiddleIsRefused) {
  TestSegment segment(32 << 10);
  segment.Write({"one"});
  const uint64_t lost = segment.Write({"two"});
  segment.Write({"three"});
  std::fill_n(segment.bytes().begin() + static_cast<ptrdiff_t>(lost), kJournalBlockBytes,
              std::byte{0});
  EXPECT_THAT(ReadSegment(segment.bytes()).status(),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("edit 2 does not read back")));
}

TEST(SegmentTest, AShortFileIsRefused) {
  TestSegment segment(32 << 10);
  segment.Write({"one"});
  segment.bytes().resize(16 << 10);
  EXPECT_THAT(ReadSegment(segment.bytes()).status(), StatusIs(absl::StatusCode::kDataLoss));
  segment.bytes().resize(100);
  EXPECT_THAT(ReadSegment(segment.bytes()).status(), StatusIs(absl::StatusCode::kDataLoss));
  segment.bytes().clear();
  EXPECT_THAT(ReadSegment(segment.bytes()).status(), StatusIs(absl::StatusCode::kDataLoss));
}

TEST(SegmentHeaderTest, EveryFlippedBitIsNoticed) {
  const TestSegment pristine(8 << 10);
  for (size_t bit = 0; bit < 8 * kJournalBlockBytes; ++bit) {
    TestSegment segment = pristine;
    segment.bytes()[bit / 8] ^= static_cast<std::byte>(1 << bit % 8);
    EXPECT_FALSE(ReadSegment(segment.bytes()).ok()) << bit;
  }
}

TEST(SegmentHeaderTest, NewerVersionIsUnimplemented) {
  TestSegment segment(8 << 10);
  segment.bytes()[8] = std::byte{2};
  EXPECT_THAT(ParseSegmentHeader(segment.bytes()).status(),
              StatusIs(absl::StatusCode::kUnimplemented, HasSubstr("version 2")));
}

TEST(SegmentHeaderTest, ZerosAreAFileThatWasNeverPrepared) {
  EXPECT_THAT(ParseSegmentHeader(std::vector<std::byte>(kJournalBlockBytes)).status(),
              StatusIs(absl::StatusCode::kNotFound));
}

std::vector<std::byte> GoldenSegment() {
  const std::string text = ReadGolden("journal/journal-00000000000000001001");
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

// The worked example of docs/formats/journal.md.
TEST(SegmentGoldenTest, TheDocumentedBytesAreWhatIsWritten) {
  std::vector<std::byte> bytes(3 * kJournalBlockBytes);
  EncodeSegmentHeader({.state = SegmentHeader::State::kLive,
                       .segment_bytes = bytes.size(),
                       .first = TxId{1001},
                       .epoch = 0x0123456789abcdef,
                       .created = absl::FromUnixSeconds(1'600'000'000),
                       .cluster_id = "CID-example"},
                      std::span(bytes).first<kJournalBlockBytes>());
  const auto first = std::span(bytes).subspan(kJournalBlockBytes, kJournalBlockBytes);
  PutFrame(TxId{1001}, 0, "cairn", first.data());
  PutFrame(TxId{1002}, 1, "mkdir /a", first.data() + 29);
  SealBatch(first, 29 + 32, 0x0123456789abcdef, 42);
  const auto second = std::span(bytes).subspan(2 * kJournalBlockBytes);
  PutFrame(TxId{1003}, 0, "", second.data());
  SealBatch(second, 24, 0x0123456789abcdef, 42);
  EXPECT_EQ(bytes, GoldenSegment());
}

TEST(SegmentGoldenTest, TheGoldenFileReads) {
  const std::vector<std::byte> bytes = GoldenSegment();
  ASSERT_OK_AND_ASSIGN(const SegmentContents contents, ReadSegment(bytes));
  EXPECT_EQ(EditsOf(contents), (std::vector<std::string>{"cairn", "mkdir /a", ""}));
  EXPECT_EQ(contents.last, TxId{1003});
  EXPECT_EQ(contents.edits[1].offset, kJournalBlockBytes + 29);
}

// What the fuzz target does, for a moment, in every test run.
TEST(SegmentTest, RandomDamageNeverYieldsAnEditThatWasNotWritten) {
  std::mt19937 random(20200913);
  for (int round = 0; round < 2000; ++round) {
    TestSegment segment(24 << 10);
    for (int i = 0; i < 5; ++i) segment.Write({absl::StrCat("edit ", segment.next())});
    for (int flips = 1 + static_cast<int>(random() % 20); flips > 0; --flips) {
      segment.bytes()[random() % segment.bytes().size()] = static_cast<std::byte>(random());
    }
    const auto contents = ReadSegment(segment.bytes());
    if (!contents.ok()) continue;
    for (const Edit& edit : contents->edits) {
      ASSERT_EQ(edit.data, absl::StrCat("edit ", ToInt(edit.txid)));
    }
  }
}

}  // namespace
}  // namespace cairn::namenode
