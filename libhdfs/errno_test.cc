#include "libhdfs/errno.h"

#include <cerrno>
#include <limits>

#include "common/fs_error.h"
#include "common/testing/status_matchers.h"
#include "hdfs/hdfs.h"

namespace cairn::libhdfs {
namespace {

int Of(FsError error) { return ErrnoOf(MakeFsError(error, "x")); }

// The table of Hadoop's exception.c.
TEST(LibhdfsErrnoTest, WhatHadoopsLibraryKnowsHasItsNumber) {
  EXPECT_EQ(Of(FsError::kFileNotFound), ENOENT);
  EXPECT_EQ(Of(FsError::kAccessControl), EACCES);
  EXPECT_EQ(Of(FsError::kParentNotDirectory), ENOTDIR);
  EXPECT_EQ(Of(FsError::kJavaIllegalArgument), EINVAL);
  EXPECT_EQ(Of(FsError::kSafeMode), EROFS);
  EXPECT_EQ(Of(FsError::kFileAlreadyExists), EEXIST);
  EXPECT_EQ(Of(FsError::kUnsupported), ENOTSUP);
  EXPECT_EQ(Of(FsError::kLeaseExpired), ESTALE);
  EXPECT_EQ(Of(FsError::kIo), EINTERNAL);
}

// It says 255 of these.
TEST(LibhdfsErrnoTest, WhatItDoesNotKnowHasATellingNumberIfThereIsOne) {
  EXPECT_EQ(Of(FsError::kNotEmptyDirectory), ENOTEMPTY);
  EXPECT_EQ(Of(FsError::kAlreadyBeingCreated), EBUSY);
  EXPECT_EQ(Of(FsError::kRecoveryInProgress), EBUSY);
  EXPECT_EQ(Of(FsError::kNamespaceQuota), EDQUOT);
  EXPECT_EQ(Of(FsError::kSpaceQuota), EDQUOT);
  EXPECT_EQ(Of(FsError::kNameTooLong), ENAMETOOLONG);
  EXPECT_EQ(Of(FsError::kInvalidPath), EINVAL);
  EXPECT_EQ(ErrnoOf(MakeFsError(FsError::kIo, "File /f could only be written to 0 of the 1 ...")),
            ENOSPC);
}

TEST(LibhdfsErrnoTest, AStatusWithoutAnFsErrorIsJudgedByItsCode) {
  EXPECT_EQ(ErrnoOf(absl::OkStatus()), 0);
  EXPECT_EQ(ErrnoOf(absl::NotFoundError("x")), ENOENT);
  EXPECT_EQ(ErrnoOf(absl::InvalidArgumentError("x")), EINVAL);
  EXPECT_EQ(ErrnoOf(absl::DeadlineExceededError("x")), ETIMEDOUT);
  EXPECT_EQ(ErrnoOf(absl::UnavailableError("x")), EINTERNAL);
  EXPECT_EQ(ErrnoOf(absl::DataLossError("x")), EINTERNAL);
}

TEST(LibhdfsErrnoTest, EveryFsErrorHasANumberAndAName) {
  for (int value = 1; value <= static_cast<int>(FsError::kChanged); ++value) {
    const absl::Status status = MakeFsError(static_cast<FsError>(value), "why");
    EXPECT_NE(ErrnoOf(status), 0) << value;
    EXPECT_THAT(RootCauseOf(status), ::testing::EndsWith(": why")) << value;
  }
  EXPECT_EQ(RootCauseOf(MakeFsError(FsError::kSafeMode, "wait")), "SafeModeException: wait");
}

TEST(LibhdfsErrnoTest, AChosenNumberStays) {
  EXPECT_EQ(ErrnoOf(WithErrno(EBADF, "x")), EBADF);
  EXPECT_EQ(RootCauseOf(WithErrno(EBADF, "x")), "IOException: x");
}

}  // namespace
}  // namespace cairn::libhdfs
