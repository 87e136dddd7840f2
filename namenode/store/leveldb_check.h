// namenode/store/leveldb_check.h - what LevelDB 1.23 does not check when it opens a directory.
//
// Its paranoid checks find a bad checksum in a log, but these it passes over in silence, read in
// its log_reader.cc, db_impl.cc and version_set.cc, and each would be a store with a hole in it:
// - a log file that is missing, or cut short while a later log is there;
// - a log or MANIFEST record whose length field is damaged in the file's last 32 KiB, and blocks of
//   zeros: "end of file";
// - a table of the wrong size, until a read happens to need the lost part.
// The other way round, it refuses a last record with a bad checksum, which a power cut during a
// write leaves behind and which nobody was promised.
//
// So the directory is checked first, reading the MANIFEST and the logs but no table:
//   CURRENT names a MANIFEST; its records are whole; every table in it exists with its exact size;
//   the log that it names exists; batches in the logs follow one another without a gap, each log
//   but the last is whole. A last record that is not whole is cut off when no record begins after
//   it; otherwise it is damage.
// With this, what is opened is exactly the content after some batch: the store's applied txid says
// after which, and the journal has what comes later.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/io/file_system.h"

namespace cairn::namenode {

struct LevelDbCheck {
  std::vector<std::string> cuts;  // one line for each torn record that was cut off
  uint64_t batches = 0;           // whole batches in the logs
};

// kFailedPrecondition: no LevelDB here. kDataLoss: damage; the message names file and offset, and
// nothing was changed. The directory's lock must be held.
// With `may_cut` false nothing is ever changed, and a last record that is not whole is kDataLoss.
absl::StatusOr<LevelDbCheck> CheckLevelDb(FileSystem& files, const std::string& directory,
                                          bool may_cut = true);

// ---- The parts, for tests and the fuzzer.

// Reads at an offset; fewer bytes only at the end.
using ReadAtFn = absl::FunctionRef<absl::StatusOr<size_t>(uint64_t, std::span<std::byte>)>;

// How a file in LevelDB's log format (doc/log_format.md there) ends.
struct LogEnd {
  uint64_t whole_bytes = 0;  // up to the end of the last record before any damage
  bool clean = true;         // nothing follows
  uint64_t bad_offset = 0;   // not clean: where, and what
  std::string reason;
  bool record_after = false;  // not clean: a later record begins at `after_offset`
  uint64_t after_offset = 0;
};

// Calls `record` with the first `head_bytes` of each record, in order, up to the first damage;
// stops at the first error that it returns.
absl::StatusOr<LogEnd> ScanLevelDbLog(
    ReadAtFn read, size_t head_bytes,
    absl::FunctionRef<absl::Status(uint64_t offset, absl::string_view head)> record);

// What the records of a MANIFEST add up to.
struct Manifest {
  bool has_log_number = false;
  uint64_t log_number = 0;                                   // logs below are not needed any more
  uint64_t prev_log_number = 0;                              // 0 since LevelDB 1.3
  std::map<std::pair<uint32_t, uint64_t>, uint64_t> tables;  // (level, number) -> bytes

  // Applies one record. kDataLoss: it is malformed.
  absl::Status Apply(absl::string_view record);
};

}  // namespace cairn::namenode
