// The journal on disk: opening, recycling, full disks, failing writes, damage.
#include "namenode/journal/file_journal.h"

#include <map>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/testing/eventually.h"
#include "common/testing/fake_clock.h"
#include "common/testing/faulty_file_system.h"
#include "common/testing/status_matchers.h"
#include "namenode/journal/journal.h"
#include "namenode/journal/segment.h"

namespace cairn::namenode {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr char kDirectory[] = "/journal";

std::string EditText(uint64_t txid) { return absl::StrCat("edit ", txid, std::string(900, '.')); }

class FileJournalTest : public testing::Test {
 protected:
  FileJournalTest() {
    options_.directory = kDirectory;
    options_.cluster_id = "CID-1";
    options_.segment_bytes = 64 << 10;
    options_.max_edit_bytes = 8 << 10;
    options_.max_batch_bytes = 8 << 10;
    options_.retry_interval = absl::Milliseconds(1);
  }

  void Format() { ASSERT_OK(FormatFileJournal(fs_, clock_, options_)); }

  absl::Status Open(TxId applied = kNoTx, TxId from = TxId{1}) {
    replayed_.clear();
    auto opened = OpenFileJournal(fs_, clock_, options_, applied, from,
                                  [&](TxId txid, absl::string_view edit) {
                                    replayed_[ToInt(txid)] = std::string(edit);
                                    return absl::OkStatus();
                                  });
    if (!opened.ok()) return opened.status();
    journal_ = *std::move(opened);
    return absl::OkStatus();
  }

  // One batch per edit.
  void AppendSingly(uint64_t up_to) {
    for (uint64_t txid = ToInt(journal_->last_appended()) + 1; txid <= up_to; ++txid) {
      journal_->Append(TxId{txid}, EditText(txid));
      ASSERT_OK(journal_->WaitDurable(TxId{txid}));
    }
  }

  void ExpectReplayed(uint64_t first, uint64_t last) {
    ASSERT_EQ(replayed_.size(), last + 1 - first);
    for (uint64_t txid = first; txid <= last; ++txid) EXPECT_EQ(replayed_[txid], EditText(txid));
  }

  // The pool is at rest: it makes no call until something changes.
  bool Settled() {
    const std::vector<std::string> names = *fs_.List(kDirectory);
    int live = 0;
    for (const std::string& name : names) live += absl::StartsWith(name, "journal-") ? 1 : 0;
    return journal_->stats().segments_ready >= 2 &&
           static_cast<uint64_t>(live) == journal_->stats().segments_kept;
  }

  FaultyFileSystem fs_;
  FakeClock clock_;
  JournalOptions options_;
  std::map<uint64_t, std::string> replayed_;
  std::unique_ptr<Journal> journal_;
};

TEST_F(FileJournalTest, OpeningWhatIsNotFormattedSaysWhatToDo) {
  EXPECT_THAT(Open(), StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("-format")));
  ASSERT_OK(fs_.MakeDirectory(kDirectory));
  EXPECT_THAT(Open(), StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("-format")));
}

TEST_F(FileJournalTest, FormattingAJournalAgainIsRefusedAndChangesNothing) {
  Format();
  ASSERT_OK(Open());
  AppendSingly(3);
  journal_.reset();
  EXPECT_THAT(FormatFileJournal(fs_, clock_, options_), StatusIs(absl::StatusCode::kAlreadyExists));
  ASSERT_OK(Open());
  ExpectReplayed(1, 3);
}

TEST_F(FileJournalTest, AnInterruptedFormatCanBeRepeated) {
  for (int call = 1;; ++call) {
    FaultyFileSystem fs;
    fs.CutPowerAt(call);
    const absl::Status formatted = FormatFileJournal(fs, clock_, options_);
    fs.Crash(call);
    if (formatted.ok()) break;
    const absl::Status again = FormatFileJournal(fs, clock_, options_);
    EXPECT_TRUE(again.ok() || absl::IsAlreadyExists(again)) << call << " " << again;
    EXPECT_OK(OpenFileJournal(fs, clock_, options_, kNoTx, TxId{1},
                              [](TxId, absl::string_view) { return absl::OkStatus(); }));
    ASSERT_LT(call, 50);
  }
}

TEST_F(FileJournalTest, EditsAreReplayedInOrderFromWhereTheCallerAsks) {
  Format();
  ASSERT_OK(Open());
  AppendSingly(40);  // over several segments
  EXPECT_GE(journal_->stats().segment_switches, 2u);
  journal_.reset();
  ASSERT_OK(Open(TxId{30}, TxId{5}));
  ExpectReplayed(5, 40);
  journal_.reset();
  ASSERT_OK(Open(TxId{40}, TxId{41}));
  EXPECT_TRUE(replayed_.empty());
  EXPECT_EQ(journal_->last_appended(), TxId{40});
  AppendSingly(41);
  journal_.reset();
  ASSERT_OK(Open());
  ExpectReplayed(1, 41);
}

TEST_F(FileJournalTest, AnErrorFromReplayEndsTheOpening) {
  Format();
  ASSERT_OK(Open());
  AppendSingly(2);
  journal_.reset();
  EXPECT_THAT(OpenFileJournal(fs_, clock_, options_, kNoTx, TxId{1},
                              [](TxId, absl::string_view) { return absl::InternalError("no"); })
                  .status(),
              StatusIs(absl::StatusCode::kInternal));
}

TEST_F(FileJournalTest, AnotherClustersJournalIsRefusedWithBothNames) {
  Format();
  options_.cluster_id = "CID-2";
  EXPECT_THAT(Open(), StatusIs(absl::StatusCode::kFailedPrecondition,
                               AllOf(HasSubstr("CID-1"), HasSubstr("CID-2"))));
}

TEST_F(FileJournalTest, BadOptionsAreRefused) {
  options_.segment_bytes = 8 << 10;
  EXPECT_THAT(FormatFileJournal(fs_, clock_, options_),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("segment_bytes")));
}

TEST_F(FileJournalTest, ClosingWritesWhatWasAppended) {
  Format();
  ASSERT_OK(Open());
  for (uint64_t txid = 1; txid <= 50; ++txid) journal_->Append(TxId{txid}, EditText(txid));
  journal_.reset();
  ASSERT_OK(Open());
  ExpectReplayed(1, 50);
}

TEST_F(FileJournalTest, AMissingSegmentIsNamedByTheEditsAroundIt) {
  Format();
  ASSERT_OK(Open());
  AppendSingly(40);
  EVENTUALLY(Settled());
  journal_.reset();
  ASSERT_OK(fs_.Remove(SegmentPath(kDirectory, TxId{16})));
  EXPECT_THAT(Open(), StatusIs(absl::StatusCode::kDataLoss,
                               AllOf(HasSubstr("ends with edit 15"), HasSubstr("edit 31"))));
  ASSERT_OK(fs_.Remove(SegmentPath(kDirectory, TxId{1})));
  EXPECT_THAT(Open(), StatusIs(absl::StatusCode::kDataLoss,
                               AllOf(HasSubstr("edit 31"), HasSubstr("needs edit 1"))));
  EXPECT_OK(Open(TxId{30}));  // what is left is all that the store asks for
  ExpectReplayed(31, 40);
}

TEST_F(FileJournalTest, AJournalThatEndsBeforeTheStoreIsRefused) {
  Format();
  ASSERT_OK(Open());
  AppendSingly(3);
  journal_.reset();
  EXPECT_THAT(Open(TxId{5}), StatusIs(absl::StatusCode::kDataLoss,
                                      AllOf(HasSubstr("edit 3"), HasSubstr("edit 5"))));
}

TEST_F(FileJournalTest, DamageInAnySegmentIsRefusedAndNothingIsOverwritten) {
  Format();
  ASSERT_OK(Open());
  AppendSingly(40);
  EVENTUALLY(Settled());
  journal_.reset();
  for (const uint64_t first : {1, 16, 31}) {
    const std::string path = SegmentPath(kDirectory, TxId{first});
    const uint64_t offset = 3 * kJournalBlockBytes + 100;  // inside the third edit
    ASSERT_OK(fs_.FlipBit(path, offset, 3));
    const int writes = fs_.calls(FileCall::kMutating);
    EXPECT_THAT(Open(), StatusIs(absl::StatusCode::kDataLoss,
                                 AllOf(HasSubstr(path), HasSubstr("offset 12288"),
                                       HasSubstr(absl::StrCat("edit ", first + 2)))));
    EXPECT_EQ(fs_.calls(FileCall::kMutating), writes);
    ASSERT_OK(fs_.FlipBit(path, offset, 3));
  }
  EXPECT_OK(Open());
}

TEST_F(FileJournalTest, DamageInASegmentsLastEditIsNoticedByTheNextSegment) {
  Format();
  ASSERT_OK(Open());
  AppendSingly(20);
  EVENTUALLY(Settled());
  journal_.reset();
  ASSERT_OK(fs_.FlipBit(SegmentPath(kDirectory, TxId{1}), 15 * kJournalBlockBytes + 50, 0));
  EXPECT_THAT(Open(), StatusIs(absl::StatusCode::kDataLoss,
                               AllOf(HasSubstr("ends with edit 14"), HasSubstr("edit 16"))));
}

TEST_F(FileJournalTest, AWriteThatFailsIsFinal) {
  Format();
  ASSERT_OK(Open());
  EVENTUALLY(Settled());
  AppendSingly(3);
  std::atomic<int> told{0};
  journal_->OnFailure([&](const absl::Status& reason) {
    EXPECT_THAT(reason, StatusIs(absl::StatusCode::kDataLoss));
    ++told;
  });
  fs_.FailCall(FileCall::kWrite, 1, absl::DataLossError("EIO"), /*torn=*/true);
  journal_->Append(TxId{4}, EditText(4));
  EXPECT_THAT(journal_->WaitDurable(TxId{4}), StatusIs(absl::StatusCode::kDataLoss));
  EVENTUALLY(told == 1);
  // The disk works again; that proves nothing about edit 4.
  journal_->Append(TxId{5}, EditText(5));
  EXPECT_THAT(journal_->WaitDurable(TxId{5}), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(journal_->Ready(), StatusIs(absl::StatusCode::kDataLoss, HasSubstr("/journal/")));
  EXPECT_EQ(journal_->durable(), TxId{3});
  journal_->OnFailure([&](const absl::Status&) { ++told; });
  EXPECT_EQ(told, 2);  // whoever comes late is told too
  journal_.reset();
  ASSERT_OK(Open());
  EXPECT_GE(replayed_.size(), 3u);
  EXPECT_LE(replayed_.size(), 4u);
}

TEST_F(FileJournalTest, AFullDiskRefusesBeforeAnythingIsLostAndHeals) {
  Format();
  ASSERT_OK(Open());
  EVENTUALLY(Settled());
  fs_.SetCapacity(3 * options_.segment_bytes);  // what there is now, no more
  uint64_t txid = 0;
  while (journal_->Ready().ok()) {
    ASSERT_LT(txid, 1000u);
    AppendSingly(++txid);
    // Segments this small are full before their maker's thread has found that the disk is.
    EVENTUALLY(Settled() || journal_->stats().cannot_prepare);
  }
  EXPECT_THAT(journal_->Ready(), StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_GT(txid, 20u);
  EXPECT_EQ(journal_->durable(), TxId{txid});
  // The reserve takes the operation that was under way.
  journal_->Append(TxId{++txid}, std::string(options_.max_edit_bytes, 'r'));
  ASSERT_OK(journal_->WaitDurable(TxId{txid}));

  fs_.SetCapacity(uint64_t{1} << 40);
  EVENTUALLY(journal_->Ready().ok());
  AppendSingly(txid + 40);
  journal_.reset();
  ASSERT_OK(Open());
  EXPECT_EQ(replayed_.size(), txid + 40);
}

TEST_F(FileJournalTest, AFullDiskTakesKeptSegmentsEarlyRatherThanStop) {
  Format();
  ASSERT_OK(Open());
  EVENTUALLY(Settled());
  fs_.SetCapacity(4 * options_.segment_bytes);
  for (uint64_t txid = 1; txid <= 200; ++txid) {
    EVENTUALLY(journal_->Ready().ok());
    AppendSingly(txid);
    journal_->Release(TxId{txid});
  }
  EXPECT_GT(journal_->stats().first_kept, TxId{100});
}

TEST_F(FileJournalTest, ReleasedSegmentsAreKeptForTheirSpanAndThenReused) {
  options_.keep = absl::Minutes(10);
  Format();
  ASSERT_OK(Open());
  AppendSingly(40);
  journal_->Release(TxId{40});
  clock_.Advance(absl::Minutes(9));
  EVENTUALLY(Settled());
  EXPECT_EQ(journal_->stats().first_kept, TxId{1});
  clock_.Advance(absl::Minutes(2));
  journal_->Release(TxId{40});
  EVENTUALLY(journal_->stats().first_kept == TxId{31});
  EVENTUALLY(Settled());
  // Round and round through the same files.
  for (uint64_t txid = 41; txid <= 400; ++txid) {
    AppendSingly(txid);
    clock_.Advance(absl::Minutes(1));
    journal_->Release(TxId{txid});
  }
  EVENTUALLY(journal_->stats().first_kept > TxId{350});
  EVENTUALLY(Settled());
  EXPECT_LE(fs_.List(kDirectory)->size(), 8u);
  journal_.reset();
  ASSERT_OK(Open(TxId{400}));
  ASSERT_FALSE(replayed_.empty());
  EXPECT_GT(replayed_.begin()->first, 350u);
  ExpectReplayed(replayed_.begin()->first, 400);
}

TEST_F(FileJournalTest, UnreleasedSegmentsAreKeptWhateverTheirAge) {
  options_.keep = absl::ZeroDuration();
  options_.keep_bytes = 0;
  Format();
  ASSERT_OK(Open());
  AppendSingly(60);
  journal_->Release(TxId{20});
  clock_.Advance(absl::Hours(24));
  EVENTUALLY(journal_->stats().first_kept == TxId{16});
  EVENTUALLY(Settled());
  journal_.reset();
  ASSERT_OK(Open(TxId{20}));
  ExpectReplayed(16, 60);
}

TEST_F(FileJournalTest, KeptBytesAreBounded) {
  options_.keep_bytes = 2 * options_.segment_bytes;
  Format();
  ASSERT_OK(Open());
  AppendSingly(100);
  journal_->Release(TxId{100});
  EVENTUALLY(journal_->stats().segments_kept == 3);  // two and the current one
}

TEST_F(FileJournalTest, ALiveSegmentStillNamedSpareIsFound) {
  Format();
  ASSERT_OK(Open());
  AppendSingly(20);
  EVENTUALLY(Settled());
  journal_.reset();
  ASSERT_OK(fs_.Rename(SegmentPath(kDirectory, TxId{16}), SparePath(kDirectory, 900)));
  ASSERT_OK(Open());
  ExpectReplayed(1, 20);
  EVENTUALLY(fs_.Exists(SegmentPath(kDirectory, TxId{16})));
}

TEST_F(FileJournalTest, ASegmentSizeMayChangeBetweenStarts) {
  Format();
  ASSERT_OK(Open());
  AppendSingly(20);
  journal_.reset();
  options_.segment_bytes = 128 << 10;
  ASSERT_OK(Open());
  ExpectReplayed(1, 20);
  AppendSingly(60);
  journal_.reset();
  options_.segment_bytes = 32 << 10;
  ASSERT_OK(Open());
  ExpectReplayed(1, 60);
  AppendSingly(90);
  journal_->Release(TxId{90});
  clock_.Advance(absl::Hours(1));
  journal_->Release(TxId{90});
  EVENTUALLY(journal_->stats().segments_kept == 1);
  journal_.reset();
  ASSERT_OK(Open(TxId{90}));
}

TEST_F(FileJournalTest, EditsLargerThanABatchAreWritten) {
  options_.segment_bytes = 2 << 20;
  options_.max_edit_bytes = 1 << 20;
  Format();
  ASSERT_OK(Open());
  const std::string large(1 << 20, 'L');
  for (uint64_t txid = 1; txid <= 6; ++txid) {
    journal_->Append(TxId{txid}, txid % 2 == 0 ? large : "small");
  }
  ASSERT_OK(journal_->WaitDurable(TxId{6}));
  journal_.reset();
  ASSERT_OK(Open());
  EXPECT_EQ(replayed_[5], "small");
  EXPECT_EQ(replayed_[6], large);
}

TEST_F(FileJournalTest, EditsThatWaitForAWriteShareTheNextOne) {
  Format();
  ASSERT_OK(Open());
  Mutex mu;
  bool blocked = true;
  CondVar unblocked;
  std::atomic<int> calls{0};
  // The first commit is held up by its listener; all that comes meanwhile is one batch.
  auto handle = journal_->Listen([&] {
    ++calls;
    MutexLock lock(mu);
    while (blocked) unblocked.Wait(mu);
  });
  journal_->Append(TxId{1}, "first");
  EVENTUALLY(calls == 1);
  for (uint64_t txid = 2; txid <= 50; ++txid) journal_->Append(TxId{txid}, "next");
  {
    MutexLock lock(mu);
    blocked = false;
  }
  unblocked.NotifyAll();
  ASSERT_OK(journal_->WaitDurable(TxId{50}));
  EXPECT_EQ(journal_->stats().batches, 2u);
  handle.reset();
}

TEST_F(FileJournalTest, RollingBeginsASegmentWithTheNextEdit) {
  Format();
  ASSERT_OK(Open());
  EXPECT_THAT(journal_->Roll(), IsOkAndHolds(TxId{1})) << "nothing is written yet";
  AppendSingly(3);
  EXPECT_EQ(journal_->stats().segment_switches, 0u);
  EXPECT_THAT(journal_->Roll(), IsOkAndHolds(TxId{4}));
  EXPECT_THAT(journal_->Roll(), IsOkAndHolds(TxId{4}));
  // The edit that is too large for the batch at hand takes the mark along.
  const std::string large(options_.max_edit_bytes, 'x');
  journal_->Append(TxId{4}, large);
  ASSERT_OK(journal_->WaitDurable(TxId{4}));
  EXPECT_EQ(journal_->stats().segment_switches, 1u);
  EVENTUALLY(fs_.Exists(absl::StrCat(kDirectory, "/journal-00000000000000000004")));
  AppendSingly(6);
  EXPECT_EQ(journal_->stats().segment_switches, 1u);
  journal_.reset();
  ASSERT_OK(Open());
  EXPECT_EQ(replayed_.size(), 6u);
}

}  // namespace
}  // namespace cairn::namenode
