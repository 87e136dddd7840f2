// fuse/in_place.h - an open file that is being changed where it is, not at its end.
//
//   Begin       which blocks the file has; its bytes are the base of a StagedFile
//   staged()    takes writes and answers reads, on the client's disk
//   WriteBack   1. a temporary file in the file's directory gets what has changed, in whole blocks
//               2. it is closed: its bytes are on the datanodes
//               3. one edit gives the file its unchanged blocks and the temporary file's, which is
//                  gone then (FileSystem::ReplaceBlocks)
//
// Nothing is locked meanwhile. Whoever changes the file after Begin has its blocks changed, which
// the edit notices: WriteBack then fails and the file is as he left it. Killed before the edit the
// mount leaves the old file, after it the new one, and at most a temporary file, which the next
// mount on this machine removes.
//
// A block of an erasure-coded file is a block group: groups that have not changed stay, and the
// others are written anew to a temporary file of the same policy. So the cluster must be ready to
// make one, which is asked before the first byte is taken.
//
// Not thread-safe, but that others may read staged() while WriteBack runs, and after it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/file_system.h"
#include "fuse/clients.h"
#include "fuse/read_stream.h"
#include "fuse/stage/block_plan.h"
#include "fuse/stage/stage_area.h"
#include "fuse/stage/staged_file.h"

namespace cairn::fuse {

class InPlace {
 public:
  // Whether it can be done to a file that is as `status` says, and will be: only if this client can
  // make another one like it, whose checksum chunks may not divide a block or a cell, be it one
  // that a small file gets when it grows; and to an erasure-coded one only as long as files of its
  // policy are made, which the server is asked.
  static absl::StatusOr<bool> IsPossible(client::FileSystem& fs, const client::FileStatus& status);

  // `area` outlives this; the server is known to have ReplaceBlocks. Everything is done as the user
  // of `fs`, who needs the right to read. kFailedPrecondition: another client writes it.
  // kUnimplemented: it is not possible.
  static absl::StatusOr<std::unique_ptr<InPlace>> Begin(ClientPtr fs, uint64_t inode,
                                                        StageArea& area);

  StagedFile& staged() { return *staged_; }
  const StagedFile& staged() const { return *staged_; }

  // Once, at the end. `sync`: what is written is synced by the datanodes even if they are not told
  // to sync what they complete. kAborted: another client has changed the file. kUnimplemented: it
  // is not possible any more. After any other error, too, it is the old file, or, if the namenode
  // did not answer any more, the old or the new one.
  absl::Status WriteBack(bool sync);

 private:
  class Temporary;

  InPlace(ClientPtr fs, uint64_t inode, StageArea& area);
  absl::Status OpenBase();
  // kUnimplemented: the file, as it was at Begin, cannot be changed in place now.
  absl::Status CheckPossible() const;
  absl::StatusOr<std::unique_ptr<Temporary>> MakeTemporary();
  absl::Status WriteRanges(const std::vector<PlannedPart>& plan, client::OutputStream& out);
  absl::Status WriteRange(ByteRange range, client::OutputStream& out);

  const ClientPtr fs_;
  StageArea& area_;
  const uint64_t inode_;
  const std::string path_;  // by id: follows renames
  client::FileBlocks blocks_;
  std::unique_ptr<ReadStream> base_;  // null: the file has no bytes
  std::unique_ptr<StagedFile> staged_;
};

}  // namespace cairn::fuse
