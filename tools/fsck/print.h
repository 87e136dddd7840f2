// tools/fsck/print.h - `hdfs fsck`'s text, line by line, and the same as JSON.
#pragma once

#include <cstdint>
#include <ostream>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "client/admin_types.h"
#include "tools/fsck/judge.h"
#include "tools/fsck/options.h"
#include "tools/json.h"

namespace cairn::tools {

// "BP-1-127.0.0.1-1:blk_1073741825_1001"
std::string BlockName(const client::FileReport& file, const client::BlockReport& block);

// What is said of one checked file: nothing, if it is whole and `o.files` is off.
void PrintFsckFile(const client::FileReport& file, const FileVerdict& verdict,
                   const FsckCluster& cluster, const FsckOptions& o, std::ostream& out);
// The sums.
void PrintFsckTotals(const FsckTotals& totals, const FsckCluster& cluster, const FsckOptions& o,
                     std::ostream& out);
// -blockId: one block. `found` null: no file has it.
void PrintFsckBlock(const std::string& name, const client::OwnedBlock* found, const FsckOptions& o,
                    std::ostream& out);
// The exit code that goes with a line of PrintFsckBlock, as HDFS's.
int FsckBlockExitCode(const client::OwnedBlock* found, const FsckOptions& o);

void WriteFsckFile(const client::FileReport& file, const FileVerdict& verdict, JsonWriter& json);
void WriteFsckTotals(const FsckTotals& totals, const FsckCluster& cluster, JsonWriter& json);
void WriteBlock(const client::BlockReport& block, JsonWriter& json);  // a value

}  // namespace cairn::tools
