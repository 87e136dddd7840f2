// tools/fsck/options.h - the command line of `cairn fsck`, which is that of `hdfs fsck`.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace cairn::tools {

struct FsckOptions {
  std::string path = "/";
  bool files = false, blocks = false, locations = false, racks = false, replica_details = false;
  bool upgrade_domains = false, maintenance = false, storage_policies = false;
  bool open_for_write = false;  // files being written are checked too
  bool list_corrupt = false;
  bool move = false, remove = false;  // what is done with files that have lost a block
  bool verify_groups = false;         // -ec-verify: the units of block groups are read
  uint32_t verify_parallel = 4;       // so many groups at a time
  bool json = false;
  std::vector<std::string> block_ids;  // as given, "blk_1073741825"
  bool by_block = false;               // -blockId was given
  std::vector<std::string> remarks;    // about options that are accepted and change nothing
};

// kInvalidArgument: HDFS's words for what is wrong.
absl::StatusOr<FsckOptions> ParseFsckOptions(const std::vector<std::string>& args);

// The text that bad usage prints.
extern const char kFsckUsage[];

// The block's number in "blk_1073741825", "blk_1073741825_1001" or a name such as
// ".../blk_1073741825.meta". kInvalidArgument: it is in none of these forms.
absl::StatusOr<uint64_t> ParseBlockName(const std::string& text);

}  // namespace cairn::tools
