// client/striped_file_writer.h - writes a file of block groups: HDFS's striped layout.
//
// Fills a stripe at a time, and hands it with its parity to the group that is open
// (block_group_writer.h); a group is begun with its first stripe, and full with as many stripes as
// a block has cells. The last stripe of a group may be short: at the end of the file, or where the
// writer has a block end.
//
// A group that has lost a unit ends before it is full, at the border of a stripe (early_ends.h),
// and what follows has all its units again. Between two calls of the writer the stream keeper's
// thread sees to it as far as that needs no wait: datanodes that restart one after the other end no
// stream, not even of a writer who pauses meanwhile. Such an end is synced, whether or not the
// writer has asked for it by then.
//
// Memory: one stripe, which is k cells and, while it is handed over, m of parity, besides
// ClientOptions::write_window_bytes of packets on their way.
//
// A flush ends the group: the parity of a stripe that is short would have to be written again when
// more follows, and datanodes do not overwrite. An append leaves the last group as it is, for the
// same reason.
//
//   Flush: the short stripe, with parity as long as its first cell -> each unit's closing packet is
//          acknowledged -> fsync tells the namenode the group's bytes, which no recovery gives up
//
// Not thread-safe; the output stream serializes.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>

#include "absl/status/statusor.h"
#include "client/block_group_writer.h"
#include "client/early_ends.h"
#include "client/excluded_nodes.h"
#include "client/file_writer.h"
#include "client/options.h"
#include "client/out_packet.h"
#include "client/pipeline.h"
#include "client/stripe.h"
#include "client/striping.h"
#include "client/types.h"

namespace cairn::client {

// How a file of `policy` is written in blocks of `block_bytes`; errors name `path`.
// kInvalidArgument: the options' checksum chunk does not divide a cell, or a block has no room for
// one. Else as ToPolicy.
absl::StatusOr<std::shared_ptr<const Striping>> StripingToWrite(
    const hdfs::ErasureCodingPolicyProto& policy, uint64_t block_bytes,
    const ClientOptions& options, absl::string_view path);

class StripedFileWriter final : public FileWriter {
 public:
  // `file` and `aborted` outlive this. When *aborted becomes true, waits end with kAborted.
  // `striping` is StripingToWrite's.
  StripedFileWriter(const WrittenFile& file, const FileStatus& status,
                    std::shared_ptr<const Striping> striping, const std::atomic<bool>& aborted);

  absl::Status Continue(const hdfs::LocatedBlockProto& group, bool new_block) override;
  absl::Status Write(std::span<const std::byte> data) override;
  absl::Status Flush(bool sync) override;
  absl::Status EndBlock() override;
  const hdfs::ExtendedBlockProto* last_block() const override {
    return previous_.has_value() ? &*previous_ : nullptr;
  }
  bool HasUnsent() const override { return group_ != nullptr && group_->HasUnsent(); }
  bool Serve(bool idle) override;
  // A unit with bytes of a group that has ended was lost, or had no datanode.
  bool has_gaps() const { return has_gaps_; }

 private:
  absl::Status StartGroup();
  absl::Status EndGroup(bool sync);  // unless its end is under way already, which was synced
  // The group that is open ends here, full or not.
  bool IsEarlyEndDue() const;
  absl::Status EndGroupIfDue();
  void StartStripe();
  absl::Status PutStripe();

  const WrittenFile& file_;
  const std::shared_ptr<const Striping> striping_;
  const std::atomic<bool>& aborted_;
  const BlockGroupWriter::Settings settings_;
  const uint64_t group_bytes_;  // of data in a full group
  const PacketSizes packet_sizes_;
  OutPacketPool pool_;
  ExcludedNodes excluded_;
  EarlyEnds early_ends_;
  std::unique_ptr<BlockGroupWriter> group_;  // null: none is open
  std::unique_ptr<Stripe> stripe_;           // being filled; null: empty
  std::optional<hdfs::ExtendedBlockProto> previous_;
  bool has_gaps_ = false;
  bool previous_told_ = true;     // the namenode knows how long it is, if there is one
  bool syncing_;                  // units are synced at their end, as always after an Hsync
  uint64_t unflushed_bytes_ = 0;  // written since the last flush
};

}  // namespace cairn::client
