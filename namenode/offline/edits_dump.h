// namenode/offline/edits_dump.h - `cairn edits dump`: a journal as JSON lines.
//
//   {"txid":5,"time":"2026-11-29T08:15:00.123Z","kind":"create_file","fields":{...}}
//   {"damage":".../journal-...: damaged at offset 4096: edits 7 to 9: ...","from":7,"to":9}
//
// Field names are those of proto/edit.proto, and so are the fields: those at their default are left
// out. Numbers are numbers, and names are text: protobuf's own JSON makes strings of the former and
// base64 of the latter. The namenode may run.
#pragma once

#include <ostream>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "common/ids.h"
#include "common/io/file_system.h"
#include "proto/edit.pb.h"

namespace cairn::namenode {

struct EditsDumpOptions {
  std::vector<std::string> paths;  // segments, a journal's directory, or a namenode's
  TxId from = TxId{1};
  TxId to = TxId{~uint64_t{0}};
};

// kDataLoss: the journal is damaged; what can be read was written all the same, and the message
// names the first place. Others: from the file system.
absl::Status DumpEdits(FileSystem& files, const EditsDumpOptions& options, std::ostream& out);

std::string EditToJson(TxId txid, const edit::Edit& edit);

}  // namespace cairn::namenode
