#include "namenode/blocks/full_report_tracker.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/testing/status_matchers.h"

namespace cairn::namenode {
namespace {

using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

class FullReportTrackerTest : public ::testing::Test {
 protected:
  static constexpr uint32_t kStorage = 3;
  absl::StatusOr<BlockId> Begin(uint32_t part, uint64_t report_id = 7, uint64_t session = 1) {
    return tracker_.Begin(kStorage, session, report_id, part);
  }
  FullReportTracker tracker_;
};

TEST_F(FullReportTrackerTest, PartsFollowOneAnother) {
  EXPECT_THAT(Begin(0), IsOkAndHolds(BlockId{0}));
  tracker_.Advance(kStorage, 1, BlockId{50});
  EXPECT_THAT(Begin(1), IsOkAndHolds(BlockId{50}));
  EXPECT_THAT(Begin(1), IsOkAndHolds(BlockId{50})) << "a part that failed is sent again";
  tracker_.Advance(kStorage, 1, BlockId{90});
  EXPECT_THAT(Begin(2), IsOkAndHolds(BlockId{90}));
}

TEST_F(FullReportTrackerTest, AMissingPartOrAnotherReportOrSessionIsRefused) {
  EXPECT_THAT(Begin(1), StatusIs(absl::StatusCode::kAborted));
  EXPECT_OK(Begin(0));
  tracker_.Advance(kStorage, 1, BlockId{50});
  EXPECT_THAT(Begin(2), StatusIs(absl::StatusCode::kAborted));
  EXPECT_THAT(Begin(1, 8), StatusIs(absl::StatusCode::kAborted));
  EXPECT_THAT(Begin(1, 7, 2), StatusIs(absl::StatusCode::kAborted));
  tracker_.End(kStorage, 1);
  EXPECT_THAT(Begin(1), StatusIs(absl::StatusCode::kAborted));
}

TEST_F(FullReportTrackerTest, AFormerSessionsLateEndLeavesTheNewOnesReportAlone) {
  EXPECT_OK(Begin(0, 7, 1));
  EXPECT_OK(Begin(0, 8, 2));
  tracker_.Advance(kStorage, 1, BlockId{50});
  tracker_.End(kStorage, 1);
  tracker_.Advance(kStorage, 2, BlockId{60});
  EXPECT_THAT(Begin(1, 8, 2), IsOkAndHolds(BlockId{60}));
  tracker_.Drop(kStorage);
  EXPECT_THAT(Begin(1, 8, 2), StatusIs(absl::StatusCode::kAborted));
}

TEST_F(FullReportTrackerTest, ChangesAreRememberedFromPartZeroToTheEnd) {
  tracker_.NoteChange(kStorage, BlockId{1});
  EXPECT_THAT(tracker_.Changed(kStorage), IsEmpty());
  EXPECT_OK(Begin(0));
  tracker_.NoteChange(kStorage, BlockId{2});
  EXPECT_OK(Begin(0));
  tracker_.NoteChange(kStorage, BlockId{3});
  tracker_.NoteChange(kStorage + 1, BlockId{4});
  EXPECT_THAT(tracker_.Changed(kStorage), UnorderedElementsAre(BlockId{2}, BlockId{3}));
  EXPECT_OK(Begin(0, 8));
  EXPECT_THAT(tracker_.Changed(kStorage), IsEmpty()) << "another report, another list";
}

TEST_F(FullReportTrackerTest, TooManyChangesEndTheReport) {
  EXPECT_OK(Begin(0));
  tracker_.Advance(kStorage, 1, BlockId{1});
  for (uint64_t id = 1; id <= FullReportTracker::kMaxChanges + 1; ++id) {
    tracker_.NoteChange(kStorage, BlockId{id});
  }
  EXPECT_THAT(Begin(1), StatusIs(absl::StatusCode::kAborted));
  EXPECT_OK(Begin(0));
}

}  // namespace
}  // namespace cairn::namenode
