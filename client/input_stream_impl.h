// client/input_stream_impl.h - see input_stream.h for what is promised.
//
// Read drives one BlockReader that runs to the end of its block; ReadAt opens one for its range,
// or, where reads are hedged, reads it in pieces (hedged_read.h). All take connections from, and
// give them back to, the cache of idle ones, where a replica is not read from its files. Of an
// erasure-coded file a block is a group, and its reader looks after the group's units by itself
// (striped_block_reader.h): what it cannot make good ends a round.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client/block_reader.h"
#include "client/context.h"
#include "client/hedged_read.h"
#include "client/input_stream.h"
#include "client/located_file.h"

namespace cairn::client {

class InputStream::Impl {
 public:
  // Whether replicas, and units, are read from the files of this machine's datanodes.
  enum class Files : uint8_t { kMayBeRead, kAreNotRead };

  // Asks the namenode for the first blocks.
  static absl::StatusOr<std::unique_ptr<Impl>> Open(std::shared_ptr<ClientContext> context,
                                                    std::string path,
                                                    Files files = Files::kMayBeRead);

  absl::StatusOr<size_t> Read(std::span<std::byte> out);
  absl::StatusOr<size_t> ReadAt(uint64_t offset, std::span<std::byte> out);
  absl::Status Seek(uint64_t position);
  absl::StatusOr<uint64_t> RefreshLength();
  uint64_t position() const { return position_; }
  uint64_t length() const { return file_.length(); }
  std::optional<ContentsId> contents() const { return file_.contents(); }
  uint64_t local_bytes() const { return local_bytes_.load(std::memory_order_relaxed); }
  const std::string& path() const { return path_; }

 private:
  // A reader of one block, and what is needed to blame its datanode.
  struct Attached {
    BlockPtr block;
    hdfs::DatanodeInfoProto node;  // not of a group
    std::unique_ptr<BlockReader> reader;
    bool is_group = false;
  };
  // What is told against a replica.
  struct Failed {
    const hdfs::LocatedBlockProto& block;
    const hdfs::DatanodeInfoProto& node;
    bool was_local = false;  // read from its files
    absl::Duration took;     // the attempt
  };
  // How often one call has run out of replicas.
  struct Rounds {
    int failed = 0;
    bool fresh = false;          // ask the namenode before the next attempt
    bool token_renewed = false;  // a refused token was replaced once already
    absl::Status last;
    // Blocks whose files did not do: the datanode is asked for them.
    absl::flat_hash_set<uint64_t> not_locally;
  };

  Impl(std::shared_ptr<ClientContext> context, std::string path, Files files);

  // A reader at `offset` for up to `length` bytes, within one block. Tries replica after replica.
  absl::StatusOr<Attached> Attach(uint64_t offset, uint64_t length, Rounds& rounds);
  absl::StatusOr<Attached> AttachGroup(const KnownBlock& known, uint64_t offset, uint64_t length,
                                       const Rounds& rounds);
  // The same for ReadAt where it is to be hedged, in pieces: how many bytes of `out` are read. 0:
  // what was tried has failed, and rounds knows; go on. nullopt: it is not to be hedged.
  absl::StatusOr<std::optional<size_t>> ReadHedged(uint64_t offset, std::span<std::byte> out,
                                                   Rounds& rounds);
  // Asks the first of `nodes`, which are of `block`, and the next whenever the one that is read
  // takes too long; returns as above.
  size_t Race(HedgedRead& read, const hdfs::LocatedBlockProto& block,
              const std::vector<const hdfs::DatanodeInfoProto*>& nodes, std::span<std::byte> out,
              Rounds& rounds);
  // `failed` has, with rounds.last, while it read at `offset`. Not OK: the read is given up.
  absl::Status AfterFailure(const Attached& failed, absl::Duration began, uint64_t offset,
                            Rounds& rounds);
  // Remembers a replica that failed with rounds.last; reports it if its bytes are bad. One that was
  // read from its files is asked of its datanode next.
  void Blame(const Failed& failed, Rounds& rounds);
  // The tokens are old, which is tried once, or a group has lost too many units.
  absl::Status AfterGroupFailure(Rounds& rounds, uint64_t offset);
  // After all replicas failed: waits and forgets, or gives up with the reason.
  absl::Status NextRound(Rounds& rounds, uint64_t offset);
  // What current_ would still send may be of bytes that are gone. Of the thread that calls Read.
  void DropIfCut();
  void Count(bool is_local, size_t bytes);
  bool MayBeLocal(const KnownBlock& known, const Rounds& rounds) const;

  const std::shared_ptr<ClientContext> context_;
  const std::string path_;
  const Files files_;
  LocatedFile file_;
  uint64_t position_ = 0;                  // of the thread that calls Read
  Attached current_;                       // of the same; reader null when there is none
  std::atomic<bool> attach_anew_ = false;  // set by whoever asks for the length
  std::atomic<uint64_t> local_bytes_ = 0;
};

}  // namespace cairn::client
