// Reading a journal that may be damaged, changing nothing.
#include "namenode/journal/journal_reader.h"

#include <gmock/gmock.h>

#include <random>

#include "absl/strings/str_cat.h"
#include "common/check.h"
#include "common/testing/fake_clock.h"
#include "common/testing/faulty_file_system.h"
#include "common/testing/status_matchers.h"
#include "namenode/journal/journal.h"
#include "namenode/journal/segment.h"

namespace cairn::namenode {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr char kDirectory[] = "/journal";

class JournalReaderTest : public testing::Test {
 protected:
  JournalReaderTest() {
    options_.directory = kDirectory;
    options_.cluster_id = "CID-1";
    options_.segment_bytes = 64 << 10;
    options_.max_edit_bytes = 8 << 10;
    options_.max_batch_bytes = 8 << 10;
    CHECK_OK(FormatFileJournal(fs_, clock_, options_));
  }

  // Edits 1 to `count`, a batch each, with `per_segment` of them in a segment.
  void Write(uint64_t count, uint64_t per_segment) {
    auto journal = OpenFileJournal(fs_, clock_, options_, kNoTx, TxId{1},
                                   [](TxId, absl::string_view) { return absl::OkStatus(); });
    ASSERT_OK(journal);
    for (uint64_t txid = 1; txid <= count; ++txid) {
      if (txid > 1 && txid % per_segment == 1) {
        while (!(*journal)->Roll().ok()) {
        }
      }
      (*journal)->Append(TxId{txid}, absl::StrCat("edit ", txid));
      ASSERT_OK((*journal)->WaitDurable(TxId{txid}));
    }
  }

  void Read(TxId from = TxId{1}) {
    edits_.clear();
    damage_.clear();
    places_.clear();
    const auto extent =
        ReadJournalDirectory(fs_, kDirectory, from,
                             {.on_edit =
                                  [this](const JournalEdit& edit) {
                                    EXPECT_EQ(edit.data, absl::StrCat("edit ", ToInt(edit.txid)));
                                    edits_.push_back(ToInt(edit.txid));
                                    places_.emplace_back(edit.file, edit.offset);
                                    return absl::OkStatus();
                                  },
                              .on_damage =
                                  [this](const JournalDamage& damage) {
                                    damage_.push_back(damage);
                                    return absl::OkStatus();
                                  }});
    ASSERT_OK(extent);
    extent_ = *extent;
  }
  void Flip(size_t edit, uint64_t skip = kFrameHeaderBytes) {
    FlipAt(places_[edit].first, places_[edit].second + skip);
  }
  void FlipAt(const std::string& path, uint64_t offset) {
    const auto file = *fs_.Open(path, {.write = true});
    std::byte byte;
    ASSERT_OK(file->ReadAt(offset, {&byte, 1}));
    byte ^= std::byte{4};
    ASSERT_OK(file->WriteAt(offset, {&byte, 1}));
  }

  FaultyFileSystem fs_;
  FakeClock clock_;
  JournalOptions options_;
  std::vector<uint64_t> edits_;
  std::vector<std::pair<std::string, uint64_t>> places_;
  std::vector<JournalDamage> damage_;
  JournalExtent extent_;
};

TEST_F(JournalReaderTest, GivesEveryEditOfAllSegmentsInOrder) {
  Write(7, 3);
  Read();
  EXPECT_THAT(edits_, ElementsAre(1, 2, 3, 4, 5, 6, 7));
  EXPECT_THAT(damage_, IsEmpty());
  EXPECT_EQ(extent_.first, TxId{1});
  EXPECT_EQ(extent_.last, TxId{7});
  EXPECT_EQ(extent_.cluster_id, "CID-1");
  Read(TxId{5});
  EXPECT_THAT(edits_, ElementsAre(5, 6, 7));
}

TEST_F(JournalReaderTest, AfterADamagedEditTheOthersAreStillRead) {
  Write(7, 7);
  Read();
  Flip(2);
  const uint64_t offset = places_[2].second;
  Read();
  EXPECT_THAT(edits_, ElementsAre(1, 2, 4, 5, 6, 7));
  ASSERT_THAT(damage_, SizeIs(1));
  EXPECT_EQ(damage_[0].from, TxId{3});
  EXPECT_EQ(damage_[0].to, TxId{3});
  EXPECT_EQ(damage_[0].offset, offset);
  Read(TxId{4});
  EXPECT_THAT(damage_, IsEmpty()) << "it does not concern what is asked for";
}

TEST_F(JournalReaderTest, DamageAtTheEndOfASegmentIsSeenByTheNextOne) {
  Write(6, 3);
  Read();
  Flip(2);
  Read();
  EXPECT_THAT(edits_, ElementsAre(1, 2, 4, 5, 6));
  ASSERT_THAT(damage_, SizeIs(1));
  EXPECT_EQ(damage_[0].from, TxId{3});
}

TEST_F(JournalReaderTest, ABadHeaderLosesItsSegmentAlone) {
  Write(9, 3);
  Read();
  FlipAt(places_[3].first, 60);
  Read();
  EXPECT_THAT(edits_, ElementsAre(1, 2, 3, 7, 8, 9));
  ASSERT_THAT(damage_, SizeIs(1));
  EXPECT_EQ(damage_[0].from, TxId{4});
  EXPECT_EQ(damage_[0].to, TxId{6});
}

TEST_F(JournalReaderTest, AMissingSegmentIsNamedByItsNeighbour) {
  Write(9, 3);
  Read();
  ASSERT_OK(fs_.Remove(places_[3].first));
  Read();
  EXPECT_THAT(edits_, ElementsAre(1, 2, 3, 7, 8, 9));
  ASSERT_THAT(damage_, SizeIs(1));
  EXPECT_EQ(damage_[0].from, TxId{4});
  EXPECT_EQ(damage_[0].to, TxId{6});
}

TEST_F(JournalReaderTest, AFileThatIsCutShortIsReadAsFarAsItGoes) {
  Write(4, 9);
  Read();
  const std::string path = places_[0].first;
  ASSERT_OK((*fs_.Open(path, {.write = true}))->Truncate(places_[2].second));
  Read();
  EXPECT_THAT(edits_, ElementsAre(1, 2));
  ASSERT_THAT(damage_, SizeIs(1));
  EXPECT_EQ(damage_[0].to, kNoTx) << "what followed is not known";
}

TEST_F(JournalReaderTest, RandomDamageNeverYieldsAnEditThatWasNotWritten) {
  Write(12, 5);
  Read();
  auto places = places_;
  std::mt19937_64 random(7);
  for (int i = 0; i < 300; ++i) {
    const auto& [path, offset] = places[random() % places.size()];
    FlipAt(path, random() % 3 == 0 ? random() % 8192 : offset + random() % 40);
    Read();  // checks each edit
    if (i % 20 == 19) {
      // Repair by writing it all anew.
      const std::vector<std::string> names = *fs_.List(kDirectory);
      for (const std::string& name : names) {
        ASSERT_OK(fs_.Remove(absl::StrCat(kDirectory, "/", name)));
      }
      CHECK_OK(FormatFileJournal(fs_, clock_, options_));
      Write(12, 5);
      Read();
      places = places_;  // where segments begin depends on how edits came together in batches
    }
  }
}

}  // namespace
}  // namespace cairn::namenode
