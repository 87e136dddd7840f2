#include "common/fs_error.h"

#include <gtest/gtest.h>

#include "absl/strings/cord.h"

namespace cairn {
namespace {

TEST(FsErrorTest, StatusCarriesCodeMessageAndPayload) {
  const absl::Status status = MakeFsError(FsError::kNotEmptyDirectory, "/a is not empty");
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(status.message(), "/a is not empty");
  EXPECT_EQ(GetFsError(status), FsError::kNotEmptyDirectory);
}

TEST(FsErrorTest, StatusWithoutPayloadIsJudgedByItsCode) {
  EXPECT_EQ(GetFsError(absl::OkStatus()), FsError::kNone);
  EXPECT_EQ(GetFsError(absl::NotFoundError("x")), FsError::kNone);
}

TEST(FsErrorTest, EveryErrorSurvivesTheRoundTrip) {
  for (int i = 1; i <= static_cast<int>(FsError::kNoErasurePolicySet); ++i) {
    const absl::Status status = MakeFsError(static_cast<FsError>(i), "x");
    EXPECT_FALSE(status.ok());
    EXPECT_EQ(GetFsError(status), static_cast<FsError>(i));
  }
}

TEST(FsErrorTest, UnknownPayloadFromAPeerIsIgnored) {
  for (const char* text : {"200", "-1", "", "x", "99999999999999"}) {
    absl::Status status = absl::NotFoundError("x");
    status.SetPayload("cairn/FsError", absl::Cord(text));
    EXPECT_EQ(GetFsError(status), FsError::kNone) << text;
  }
}

}  // namespace
}  // namespace cairn
