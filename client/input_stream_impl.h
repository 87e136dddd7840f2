// client/input_stream_impl.h - see input_stream.h for what is promised.
//
// Read drives one BlockReader that runs to the end of its block; ReadAt opens one for its range.
// Both take connections from, and give them back to, the cache of idle ones.
#pragma once

#include <memory>
#include <span>
#include <string>

#include "absl/status/statusor.h"
#include "client/block_reader.h"
#include "client/context.h"
#include "client/input_stream.h"
#include "client/located_file.h"

namespace cairn::client {

class InputStream::Impl {
 public:
  // Asks the namenode for the first blocks.
  static absl::StatusOr<std::unique_ptr<Impl>> Open(std::shared_ptr<ClientContext> context,
                                                    std::string path);

  absl::StatusOr<size_t> Read(std::span<std::byte> out);
  absl::StatusOr<size_t> ReadAt(uint64_t offset, std::span<std::byte> out);
  absl::Status Seek(uint64_t position);
  absl::StatusOr<uint64_t> RefreshLength();
  uint64_t position() const { return position_; }
  uint64_t length() const { return file_.length(); }
  std::optional<ContentsId> contents() const { return file_.contents(); }
  const std::string& path() const { return path_; }

 private:
  // A reader of one block, and what is needed to blame its datanode.
  struct Attached {
    BlockPtr block;
    hdfs::DatanodeInfoProto node;
    std::unique_ptr<BlockReader> reader;
  };
  // How often one call has run out of replicas.
  struct Rounds {
    int failed = 0;
    bool fresh = false;          // ask the namenode before the next attempt
    bool token_renewed = false;  // a refused token was replaced once already
    absl::Status last;
  };

  Impl(std::shared_ptr<ClientContext> context, std::string path);

  // A reader at `offset` for up to `length` bytes, within one block. Tries replica after replica.
  absl::StatusOr<Attached> Attach(uint64_t offset, uint64_t length, Rounds& rounds);
  absl::StatusOr<std::unique_ptr<BlockReader>> OpenOn(const hdfs::DatanodeInfoProto& node,
                                                      const BlockReader::Request& request,
                                                      absl::Duration connect_limit);
  // Remembers a failed replica; reports it if its bytes are bad.
  void Blame(const Attached& attached, const absl::Status& status);
  // After all replicas failed: waits and forgets, or gives up with the reason.
  absl::Status NextRound(Rounds& rounds, uint64_t offset);
  void GiveBack(BlockReader& reader);

  const std::shared_ptr<ClientContext> context_;
  const std::string path_;
  LocatedFile file_;
  uint64_t position_ = 0;  // of the thread that calls Read
  Attached current_;       // of the same; reader null when there is none
};

}  // namespace cairn::client
