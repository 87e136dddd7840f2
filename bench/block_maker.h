// bench/block_maker.h - a namespace of many files of one replicated block each, made quickly and
// without datanodes: a namenode in a process of its own believes what is said for them.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "bench/file_maker.h"

namespace cairn::bench {

struct MadeBlock {
  uint64_t id = 0, stamp = 0;
  std::array<uint32_t, kReplication> holders{};  // indices of datanodes
};

std::string PathOfFile(uint64_t i);

// Files PathOfFile(0), ... of block i each, in a new namespace in `directory`, whatever was there.
// The process is killed at the moment at which the last file is closed and durable; all that its
// namenode had not written to its store is left to the journal and to reports. Forks: no other
// thread may run. At least three holders. The result lives as long as the program.
std::span<const MadeBlock> MakeBlocks(const std::string& directory, uint64_t count,
                                      const std::vector<HolderIds>& holders);

}  // namespace cairn::bench
