// fuse/errno.h - the one place where a status becomes an errno. The table for users is in
// docs/operations.md.
#pragma once

#include "absl/status/status.h"

namespace cairn::fuse {

// 0 for OK. What a program cannot act upon (no server, no replica, an answer that makes no sense)
// is EIO.
int ErrnoOf(const absl::Status& status);

// The same for a call about an inode that the kernel knows: one that the cluster does not know any
// more is ESTALE, upon which the kernel looks the path up again.
int ErrnoOfInode(const absl::Status& status);

}  // namespace cairn::fuse
