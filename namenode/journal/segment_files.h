// namenode/journal/segment_files.h - the journal's directory: names, and preparing a file.
//
//   journal-<first txid, 20 digits>   holds edits
//   spare-<number>                    prepared for use
//
// The names are for people and for sorting; what a file is, its header says. A spare goes live by
// the very write that carries its first batch and is renamed a little later, in the background, so
// that a commit never waits for the directory. A crash in between leaves a live file named spare-,
// or, on the way back, a spare one named journal-: both are read as what their header says.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/ids.h"
#include "common/io/file_system.h"
#include "namenode/journal/journal.h"

namespace cairn::namenode {

std::string SegmentPath(const std::string& directory, TxId first);
std::string SparePath(const std::string& directory, uint64_t number);

struct SegmentName {
  bool is_spare = false;
  uint64_t number = 0;  // first txid, or the spare's number
};
// nullopt: not a name that the journal gives.
std::optional<SegmentName> ParseSegmentName(absl::string_view name);

// kInvalidArgument names the option.
absl::Status CheckOptions(const JournalOptions& options);

// How a segment is opened for commits.
OpenOptions CommitOpenOptions(const JournalOptions& options);

// A file whose blocks exist and whose header says spare, open for commits.
struct PreparedSegment {
  std::string path;
  std::unique_ptr<File> file;
};

// Makes `path`, zero-filled to its full size so that a commit changes no metadata, and durable, its
// name included. On an error nothing is left behind if the file system allows.
absl::StatusOr<PreparedSegment> CreateSpare(FileSystem& fs, const JournalOptions& options,
                                            const std::string& path);

// Writes the spare header, durably, over whatever the first block of `file` holds.
absl::Status WriteSpareHeader(const JournalOptions& options, File& file);

}  // namespace cairn::namenode
