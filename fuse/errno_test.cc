#include "fuse/errno.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <string>

#include "common/fs_error.h"

namespace cairn::fuse {
namespace {

TEST(Errno, EveryErrorOfAServerHasOne) {
  const std::pair<FsError, int> kTable[] = {
      {FsError::kFileNotFound, ENOENT},
      {FsError::kFileAlreadyExists, EEXIST},
      {FsError::kParentNotDirectory, ENOTDIR},
      {FsError::kNotEmptyDirectory, ENOTEMPTY},
      {FsError::kAccessControl, EACCES},
      {FsError::kInvalidPath, EINVAL},
      {FsError::kIllegalArgument, EINVAL},
      {FsError::kAlreadyBeingCreated, EBUSY},
      {FsError::kRecoveryInProgress, EBUSY},
      {FsError::kLeaseExpired, EIO},
      {FsError::kNotReplicatedYet, EIO},
      {FsError::kSafeMode, EROFS},
      {FsError::kUnsupported, EOPNOTSUPP},
      {FsError::kNameTooLong, ENAMETOOLONG},
      {FsError::kTooManyEntries, ENOSPC},
      {FsError::kNamespaceQuota, EDQUOT},
      {FsError::kSpaceQuota, EDQUOT},
      {FsError::kReplicaNotFound, EIO},
      {FsError::kStandby, EIO},
      {FsError::kRetriable, EIO},
      {FsError::kIo, EIO},
      {FsError::kNoSuchMethod, EOPNOTSUPP},
      {FsError::kNoSuchProtocol, EOPNOTSUPP},
      {FsError::kAcl, EINVAL},
      {FsError::kAuthorization, EACCES},
      {FsError::kInvalidToken, EACCES},
      {FsError::kJavaIllegalArgument, EINVAL},
      {FsError::kListingStartGone, EIO},
      {FsError::kSnapshot, EPERM},
      {FsError::kChanged, ESTALE},
  };
  for (const auto& [error, number] : kTable) {
    EXPECT_EQ(ErrnoOf(MakeFsError(error, "text")), number) << static_cast<int>(error);
  }
}

TEST(Errno, AStatusOfOurOwnIsJudgedByItsCode) {
  EXPECT_EQ(ErrnoOf(absl::OkStatus()), 0);
  EXPECT_EQ(ErrnoOf(absl::CancelledError("")), EINTR);
  EXPECT_EQ(ErrnoOf(absl::NotFoundError("")), ENOENT);
  EXPECT_EQ(ErrnoOf(absl::UnimplementedError("")), EOPNOTSUPP);
  EXPECT_EQ(ErrnoOf(absl::UnavailableError("")), EIO);
  EXPECT_EQ(ErrnoOf(absl::DeadlineExceededError("")), EIO);
  EXPECT_EQ(ErrnoOf(absl::DataLossError("")), EIO);
  EXPECT_EQ(ErrnoOf(absl::InternalError("")), EIO);
}

TEST(Errno, WhatHdfsSaysInWordsOnlyIsRead) {
  EXPECT_EQ(ErrnoOf(MakeFsError(FsError::kIo, "rename destination directory is not empty: /d")),
            ENOTEMPTY);
  EXPECT_EQ(ErrnoOf(MakeFsError(FsError::kIo,
                                "File /f could only be written to 0 of the 1 minReplication "
                                "nodes. There are 3 datanode(s) running")),
            ENOSPC);
}

TEST(Errno, WhatHdfsSaysOfExtendedAttributesIsRead) {
  const std::pair<const char*, int> kTexts[] = {
      {"setXAttr /.reserved/.inodes/17000: XAttr: a already exists. The REPLACE flag must be "
       "specified.",
       EEXIST},
      {"XAttr: a does not exist. The CREATE flag must be specified.", ENODATA},
      {"No matching attributes found for remove operation", ENODATA},
      {"Cannot add additional XAttr to inode, would exceed limit of 32", ENOSPC},
  };
  for (const auto& [text, number] : kTexts) {
    EXPECT_EQ(ErrnoOf(MakeFsError(FsError::kIo, text)), number) << text;
  }
  EXPECT_EQ(ErrnoOf(MakeFsError(FsError::kIllegalArgument,
                                "The XAttr is too big. The maximum combined size of the name and "
                                "value is 16384, but the total size is 20000")),
            E2BIG);
}

// The kernel holds an inode that another client has removed: it must look its path up anew.
TEST(Errno, AnInodeThatIsGoneIsStale) {
  EXPECT_EQ(ErrnoOfInode(MakeFsError(FsError::kFileNotFound, "")), ESTALE);
  EXPECT_EQ(ErrnoOfInode(MakeFsError(FsError::kAccessControl, "")), EACCES);
  EXPECT_EQ(ErrnoOfInode(absl::OkStatus()), 0);
}

}  // namespace
}  // namespace cairn::fuse
