// tests/sim/block_writer.h - a client writing one block through a pipeline: a model of
// client/block_writer.cc, with the same decisions when a node fails.
//
//   nothing promised yet   the block is abandoned and written again elsewhere
//   else                   without the node: a new stamp (updateBlockForPipeline), the others are
//                          set up again under it, updatePipeline, and what was not acknowledged is
//                          sent again
//   at the closing packet  the same, but the nodes only close the replica (stage close recovery)
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <set>

#include "tests/sim/client.h"

namespace cairn::sim {

class BlockWriter {
 public:
  // `file` is open in the client's name; `start` is where the block begins in it.
  BlockWriter(Client& client, std::shared_ptr<ToldFile> file, uint64_t start,
              std::set<Host>& excluded);
  ~BlockWriter();

  absl::Status Create(std::optional<namenode::BlockVersion> previous);
  absl::Status Append(const PlacedBlock& block);
  // The file's content up to `end` (in the file) is sent; nothing is waited for.
  absl::Status Put(uint64_t end);
  absl::Status Flush(bool sync);
  absl::Status Finish(bool sync);

  // With the acknowledged length.
  namenode::BlockVersion block() const;
  uint64_t put_bytes() const { return put_bytes_; }

 private:
  struct Failure {
    size_t bad_node = 0;
    std::string why;
  };

  absl::Status PumpUntilAcked();
  std::optional<Failure> Pump();
  std::optional<Failure> SetUpPipeline(Stage stage, GenerationStamp stamp);
  absl::Status Recover(const Failure& failure);
  absl::Status WriteAnew(Failure failure);
  absl::Status GoOnWithout(const Failure& failure);
  absl::Status Reopen(Stage stage);
  absl::StatusOr<PlacedBlock> AddBlock();
  absl::Status AbandonBlock();
  absl::StatusOr<GenerationStamp> RenewStamp();
  absl::Status UpdatePipeline(const namenode::BlockVersion& renewed);
  bool AllAcked() const { return acked_ == packets_.size(); }
  void CloseStream();

  Client& client_;
  const std::shared_ptr<ToldFile> file_;
  const uint64_t start_;
  std::set<Host>& excluded_;
  std::optional<namenode::BlockVersion> previous_;
  PlacedBlock target_;

  std::shared_ptr<Stream> stream_;
  // What the stream said and nobody has looked at yet; shared with its call-backs.
  struct Inbox {
    std::deque<Ack> acks;
    bool closed = false;
    std::optional<Process::Answer<bool>> wake;
  };
  std::shared_ptr<Inbox> inbox_;

  std::deque<Packet> packets_;  // the first acked_ of them are acknowledged
  size_t acked_ = 0;
  int64_t next_seqno_ = 0;
  uint64_t put_bytes_ = 0;
  uint64_t acked_bytes_ = 0;
  uint64_t last_offset_ = 0;                       // of the last packet with data
  uint64_t resend_from_ = 0;                       // the next one begins here
  std::optional<absl::Duration> unflushed_since_;  // the first bytes since the last flush
  bool can_write_anew_ = false;
  bool persisted_ = false;  // the namenode has been told of a length (fsync)
  int recoveries_ = 0;
};

}  // namespace cairn::sim
