// namenode/store/leveldb_copy.h - a second directory with the content of a LevelDB that may run.
//
//   tables (n.ldb)   never change once written: hard links, no byte is copied
//   MANIFEST, logs   grow at their ends: copied up to the last whole record
//   CURRENT          written anew
//
// The list is taken at a moment at which no batch is being written. LevelDB's compaction may go on
// meanwhile: what it adds to the MANIFEST afterwards only says the same content in other files. It
// must not remove a file between the listing and the end of the copy
// (LevelDbEnv::HoldRemovals).
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/io/file_system.h"

namespace cairn::namenode {

struct LevelDbFiles {
  std::string manifest;
  uint64_t manifest_bytes = 0;  // its whole records
  std::vector<std::string> tables;
  std::vector<std::pair<std::string, uint64_t>> logs;  // name, bytes
};

// kDataLoss: the directory does not hold what its MANIFEST says.
absl::StatusOr<LevelDbFiles> ListLevelDb(FileSystem& files, const std::string& directory);

// Makes them in `to`, which exists and is empty, and syncs files and directory. On another file
// system than `from` the tables are copied as well.
absl::Status CopyLevelDb(FileSystem& files, const LevelDbFiles& list, const std::string& from,
                         const std::string& to);

}  // namespace cairn::namenode
