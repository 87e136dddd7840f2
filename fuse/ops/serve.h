// fuse/ops/serve.h - what all operations have in common: who calls, and how a failure is answered.
#pragma once

#include <functional>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "fuse/api.h"
#include "fuse/mount.h"

namespace cairn::fuse {

Mount& MountOf(fuse_req_t req);

// The body of an operation: answers the request and returns OK, or returns why it does not.
using Body = std::function<absl::Status(Mount& mount, const ClientPtr& fs)>;

// Runs `body` with the cluster as the caller sees it. If it fails, answers with its errno, and logs
// what says EIO: the caller sees no more than that.
void Serve(fuse_req_t req, const char* op, const Body& body);
// The same for an operation on an inode: one that is gone is ESTALE.
void ServeInode(fuse_req_t req, const char* op, const Body& body);
// Only the answer. `status` is not OK.
void Fail(fuse_req_t req, const char* op, const absl::Status& status);
void FailInode(fuse_req_t req, const char* op, const absl::Status& status);

// The same without a status to tell of: `error`, which is not 0. Every answer that is an error is
// made here, and counted, but for those of Decline.
void Refuse(fuse_req_t req, int error);
// For a number that is no failure: that there is no such attribute is what the kernel hears before
// writes, and ls(1) of every file. Counted, it would hide what is one.
void Decline(fuse_req_t req, int error);

// getxattr(2) and listxattr(2): `size` is what there is room for; 0: how long it is is asked.
// E2BIG: longer than Linux takes, whatever there is room for.
void AnswerXattr(fuse_req_t req, absl::string_view value, size_t size);

// Whether HDFS cannot have such a name: not UTF-8 (EILSEQ) or over 255 bytes (ENAMETOOLONG). If so
// the request has been answered.
bool RefuseName(fuse_req_t req, absl::string_view name);

// Whether it is no attribute of the server's, which alone can be set and removed. If so the request
// has been answered.
bool RefuseXattrChange(fuse_req_t req, absl::string_view name);

Interrupted InterruptedOf(fuse_req_t req);

// Whether a descriptor opened with these flags may have a shared mapping that is written, if the
// file can be changed in place.
bool MayMapToWrite(int flags);

// How the kernel is to cache what is read and written through this descriptor; `in_place`: the file
// can be changed in place, asked only if MayMapToWrite; `keep`: pages of an earlier open are as
// good as new ones. What only writes, or appends, goes past the page cache, which would but copy.
// What reads and writes goes through it, write by write, since shared mappings are made of its
// pages; they are forgotten if their bytes are lost. Of a file that is written at its end only a
// mapping could not be written back: it is refused (ENODEV).
void SetCaching(fuse_file_info& info, bool in_place, bool keep);

}  // namespace cairn::fuse
