// client/seen_blocks.h - whether what the namenode tells of a path is still of the file that was
// opened.
//
// Locations are asked for by path, and another file may be there by now: by a rename over it, a
// create that overwrites, or a change in place. A block's id is never given to another one, so the
// blocks seen so far tell:
//
//   same file, also after an append, a concat or a cut   a block of another id where one was seen
//   at least one block seen is where it was              is another file, or other contents
//
// A cut and an append after it are other contents as well, where the append began a block. But a
// block that was open may have another id by now: its writer has lost it, and written the same
// bytes as another. That is believed where an earlier block is seen to be the same.
//
// Not told apart: that, from a cut just before the block that was open, and an append; a file that
// was empty when last seen from any other; a change in place of blocks never seen, together with an
// append.
//
// Not thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <optional>

#include "proto/hdfs/types.pb.h"

namespace cairn::client {

class SeenBlocks {
 public:
  // `found` cannot be of the same contents, or of what has only been cut or added to.
  bool Contradicts(const hdfs::LocatedBlocksProto& found) const;
  // Where to ask for one of the blocks that were seen, before `found` is believed; nullopt: it
  // shows enough of them, or there are none.
  std::optional<uint64_t> Witness(const hdfs::LocatedBlocksProto& found) const;
  // Whether `found` shows the block at `offset`.
  static bool Shows(const hdfs::LocatedBlocksProto& found, uint64_t offset);

  // Only what has been believed is noted.
  void Note(const hdfs::LocatedBlocksProto& found);
  void Note(const hdfs::LocatedBlockProto& block);
  // What lies behind `length` is known to be gone, and may be written anew.
  void Cut(uint64_t length);

 private:
  struct Seen {
    uint64_t id = 0;
    uint64_t bytes = 0;  // more than 0
  };
  struct Last {
    uint64_t offset = 0;
    uint64_t id = 0;
    uint64_t stamp = 0;
    uint64_t contents = 0;  // the digest of all blocks; 0: the server tells none
    bool open = false;
  };

  static Last LastOf(const hdfs::LocatedBlocksProto& found);  // which has one
  bool IsLast(const hdfs::LocatedBlocksProto& found) const;
  bool IsElsewhere(const hdfs::LocatedBlockProto& block, uint64_t bytes) const;
  // `block` of `found` is where the one that was open was, and `found` shows one from before it.
  bool IsWrittenAnew(const hdfs::LocatedBlockProto& block,
                     const hdfs::LocatedBlocksProto& found) const;

  std::map<uint64_t, Seen> seen_;  // by offset in the file
  std::optional<Last> last_;       // of the file as it was found last
};

}  // namespace cairn::client
