// namenode/journal/journal_reader.h - reads a journal without changing it, damaged or not.
//
// For people's tools and for recovery; a start uses OpenFileJournal, which accepts no damage. The
// namenode may be running: a segment that it takes away meanwhile counts as no longer kept, and
// a batch that it is just writing as not there yet.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/ids.h"
#include "common/io/file_system.h"

namespace cairn::namenode {

struct JournalDamage {
  std::string file;     // for a missing segment, the one before it
  uint64_t offset = 0;  // of the first edit that does not read back
  // Edits that do not read back. `to` is kNoTx when it is not known where the damage ends: nothing
  // that can be read follows.
  TxId from = kNoTx, to = kNoTx;
  std::string what;

  std::string Describe() const;  // one line: file, offset, txids, reason
};

struct JournalEdit {
  TxId txid = kNoTx;
  absl::string_view data;  // a serialized Edit; good during the call
  const std::string& file;
  uint64_t offset = 0;
};

struct JournalVisitor {
  // In txid order, with gaps only where on_damage was called. An error ends the reading.
  std::function<absl::Status(const JournalEdit&)> on_edit;
  std::function<absl::Status(const JournalDamage&)> on_damage;
};

struct JournalExtent {
  TxId first = kNoTx;  // oldest edit that is kept, or would be; kNoTx: no segment
  TxId last = kNoTx;   // newest of those wanted that can be read; kNoTx: none
  // Where the newest segment begins, whether or not an edit of it can be read: what comes before
  // was in the others. kNoTx: no segment.
  TxId newest_first = kNoTx;
  std::string cluster_id;
};

// Reads the segments among `paths`, files in any order; others are passed over. Edits from `from`
// on are visited; damage only where it concerns them. kNotFound: a file is missing.
absl::StatusOr<JournalExtent> ReadJournalFiles(FileSystem& fs,
                                               const std::vector<std::string>& paths, TxId from,
                                               const JournalVisitor& visitor);
// All of a directory.
absl::StatusOr<JournalExtent> ReadJournalDirectory(FileSystem& fs, const std::string& directory,
                                                   TxId from, const JournalVisitor& visitor);

}  // namespace cairn::namenode
