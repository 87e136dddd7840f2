// client/hedged_read.h - one piece of a block, asked of another replica too when one takes long.
//
//   caller        Ask(A) ........ threshold ... Ask(B) ............. copies B's bytes, returns
//   a thread      A: connects, waits . . . . . . . . . . . . . . . . is ended
//   another one                                 B: connects, reads .
//
// Each replica is read by a thread of ClientContext::hedge_threads into memory of its own, verified
// like any other read; if no thread is free, by the caller's. The first one that has all the bytes
// wins, and those that still read are ended: their connections are shut down. They know nothing of
// the caller's memory or stream; the piece and what they share live until the last has ended.
//
// What cannot be ended is bounded: a connection that is coming about (ClientOptions'
// read_connect_timeout), and a datanode of this machine that is asked for its files. A thread
// inside the disk's read of a local file is there until the disk answers.
//
// Whom to ask, when, and what to think of who failed is the caller's business. One thread at a
// time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "client/context.h"
#include "client/located_file.h"
#include "proto/hdfs/types.pb.h"

namespace cairn::client {

class HedgedRead {
 public:
  struct Piece {
    BlockPtr block;
    uint64_t offset = 0;   // in the block
    size_t bytes = 0;      // > 0, within the block; so much is held for each replica
    bool locally = false;  // by the replica's files, where a datanode passes them on
  };
  struct Outcome {
    size_t turn = 0;  // from 0, in the order of Ask
    absl::Status status;
    std::vector<std::byte> bytes;  // if OK: all of the piece
    bool was_local = false;
    absl::Duration took;
  };

  HedgedRead(ClientContext& context, Piece piece);  // `context` outlives this and all threads of it
  ~HedgedRead();                                    // ends those that still read
  HedgedRead(const HedgedRead&) = delete;
  HedgedRead& operator=(const HedgedRead&) = delete;

  // Begins with one more replica; where no thread is free, it has been read, has failed, or another
  // one has won, on return.
  void Ask(const hdfs::DatanodeInfoProto& node);
  // Of those that were asked and have not been told of, the one that was done first; nullopt: none
  // is within `limit`. After the one that won there are no more.
  std::optional<Outcome> Await(absl::Duration limit);

 private:
  struct Attempt;
  struct Race;
  static void Run(Race& race, Attempt& attempt);
  static absl::Status ReadPiece(const Race& race, Attempt& attempt, Outcome& outcome);

  const std::shared_ptr<Race> race_;
  size_t asked_ = 0;
};

}  // namespace cairn::client
