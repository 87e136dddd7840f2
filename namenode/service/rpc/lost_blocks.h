// namenode/service/rpc/lost_blocks.h - the list of lost blocks that operators ask for, a page at a
// time: one for HDFS's call and for Cairn's.
//
// A block is lost when no good replica of it can be read. Of an erasure-coded file a block group
// is, when too few of its units can be: it is told once, by its own id, though every unit that it
// lacks is in need.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "namenode/namenode.h"

namespace cairn::namenode {

struct LostBlocks {
  struct Lost {
    BlockId id;
    std::string path;
  };
  std::vector<Lost> blocks;  // by id
  BlockId next_after{};      // the next page comes after this
  bool more = false;         // there may be one, though this one may be empty
  uint64_t ticket = 0;
};

// Looks at no more than `most` blocks and units that come after `after`; those of files below
// `path` are told.
LostBlocks ListLost(Namenode& namenode, const Caller& caller, absl::string_view path, BlockId after,
                    size_t most);

}  // namespace cairn::namenode
