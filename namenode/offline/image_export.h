// namenode/offline/image_export.h - `cairn image export`: the namespace of a store as JSON lines or
// CSV, one line per inode, each directory before what is in it.
//
// Walks directory by directory: memory grows with the depth of the tree and not with its size. The
// store is read without changing it: a checkpoint, which a running namenode does not mind, or the
// store of a namenode that is stopped.
#pragma once

#include <cstdint>
#include <ostream>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/ids.h"
#include "common/io/file_system.h"

namespace cairn::namenode {

enum class ImageFormat { kJsonLines, kCsv };

// The store that a path of the command stands for: a checkpoint; a store; or a namenode's
// directory, of which the newest checkpoint is taken.
absl::StatusOr<std::string> FindImage(FileSystem& files, const std::string& path);

struct ExportedImage {
  TxId txid = kNoTx;  // of the last edit in it
  uint64_t inodes = 0;
};
// kDataLoss: a record is damaged; lines before it have been written.
absl::StatusOr<ExportedImage> ExportImage(FileSystem& files, const std::string& store,
                                          ImageFormat format, std::ostream& out);

}  // namespace cairn::namenode
