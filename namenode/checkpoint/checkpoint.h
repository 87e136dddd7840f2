// namenode/checkpoint/checkpoint.h - consistent copies of the store, each at a known transaction.
//
//   checkpoints/checkpoint-<txid, 20 digits>/CHECKPOINT   what it is: text, checksummed
//   checkpoints/checkpoint-<txid, 20 digits>/store/       a LevelDB of its own, mostly hard links
//   checkpoints/making, checkpoints/removing              under way; void after a crash
//
// A checkpoint and the journal's edits after it give the namespace as of any later transaction. It
// is made under another name, synced with all that is in it, and renamed: it is whole or not there.
// It never changes afterwards. Format: docs/formats/checkpoint.md.
//
// Hard links cost no space until the store compacts their tables away, but a rotten table is rotten
// in every checkpoint that shares it. The checksum of a table that an earlier checkpoint has too is
// taken from there, so that rot since then is found, and not sealed by a new checksum.
//
// Functions of one caller at a time per directory; they block on the disk.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/clock.h"
#include "common/ids.h"
#include "common/io/file_system.h"

namespace cairn::namenode {

struct CheckpointFile {
  std::string name;  // in store/
  uint64_t bytes = 0;
  uint32_t crc32c = 0;
};

struct Checkpoint {
  std::string directory;  // where it was read from; not in the file
  std::string cluster_id, block_pool_id;
  uint32_t layout_version = 0;
  TxId txid = kNoTx;  // of the last edit in it
  absl::Time time;    // when it was made; whole milliseconds
  std::vector<CheckpointFile> files;

  std::string store() const { return directory + "/store"; }
  uint64_t bytes() const;
};

// The text of CHECKPOINT. Parse: kDataLoss says what is wrong with it; kUnimplemented: it is of a
// newer version.
std::string EncodeCheckpoint(const Checkpoint& checkpoint);
absl::StatusOr<Checkpoint> ParseCheckpoint(absl::string_view text);

// kNotFound: `directory` holds no CHECKPOINT.
absl::StatusOr<Checkpoint> ReadCheckpoint(FileSystem& files, const std::string& directory);

// Reads every byte. kDataLoss names the first file that is not as it was.
absl::Status VerifyCheckpoint(FileSystem& files, const Checkpoint& checkpoint);

struct CheckpointList {
  std::vector<Checkpoint> whole;  // by their CHECKPOINT files, oldest first
  std::vector<std::pair<std::string, absl::Status>> damaged;  // directory, what is wrong
};
// Of a directory that is not there: none.
absl::StatusOr<CheckpointList> ListCheckpoints(FileSystem& files, const std::string& parent);

struct NewCheckpoint {
  std::string parent;  // made if missing
  std::string cluster_id, block_pool_id;
  uint32_t layout_version = 0;
  // Makes a store in a directory and says up to which edit: Store::CopyTo or CopyClosed.
  std::function<absl::StatusOr<TxId>(const std::string& directory)> copy;
};
// One that is there already at the same transaction is returned as it is. After an error there is
// no new one; what was begun is removed now, or by the next that is made.
absl::StatusOr<Checkpoint> MakeCheckpoint(FileSystem& files, Clock& clock,
                                          const NewCheckpoint& wanted);

// It is gone at once, its files a little later.
absl::Status RemoveCheckpoint(FileSystem& files, const Checkpoint& checkpoint);

// Removes what a crash left under way.
absl::Status CleanCheckpoints(FileSystem& files, const std::string& parent);

}  // namespace cairn::namenode
