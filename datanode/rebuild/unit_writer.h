// datanode/rebuild/unit_writer.h - a new replica of a unit on another datanode, by WRITE_BLOCK.
//
// It is temporary there until Finish: who goes away before has it dropped, and nobody hears of it.
// Unlike after an ordered copy the datanode says at the end that it has it. One that takes bytes
// slowly is waited for no longer than one that takes none (least_rate.h). All coroutines on one
// thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "datanode/pipeline/channel.h"
#include "datanode/pipeline/context.h"
#include "datanode/rebuild/least_rate.h"
#include "datanode/rebuild/rebuild_order.h"
#include "datanode/rebuild/unit_sink.h"
#include "wire/transfer/checksum.h"

namespace cairn::datanode {

class UnitWriter final : public UnitSink {
 public:
  // Sends the operation. kUnavailable: the datanode is away.
  static awaitable<absl::StatusOr<std::unique_ptr<UnitWriter>>> Open(
      const TransferContext& context, const RebuildOrder& order, const UnitTarget& to,
      const transfer::DataChecksum& checksum);

  ~UnitWriter() override { channel_->Close(); }
  UnitWriter(const UnitWriter&) = delete;
  UnitWriter& operator=(const UnitWriter&) = delete;

  // The next bytes, as one packet: whole chunks, but for the unit's last. kFailedPrecondition: the
  // datanode refuses, and says why. kUnavailable, kDeadlineExceeded: it went away, or is silent or
  // too slow. After an error the writer is of no use.
  awaitable<absl::Status> Write(std::span<const std::byte> data) override;
  // All has been written. OK: the datanode has a finalized replica. Errors as of Write; the
  // datanode may have it all the same.
  awaitable<absl::Status> Finish() override;
  std::string What() const override;

 private:
  UnitWriter(std::shared_ptr<Channel> channel, const transfer::DataChecksum& checksum,
             const LeastRate& rate, absl::Duration finish_limit)
      : channel_(std::move(channel)),
        checksum_(checksum),
        rate_(rate),
        finish_limit_(finish_limit) {}

  awaitable<absl::Status> Begin(const std::string& op);
  awaitable<absl::Status> SendPacket(std::span<const std::byte> data, bool last);

  const std::shared_ptr<Channel> channel_;
  const transfer::DataChecksum checksum_;
  LeastRate rate_;
  const absl::Duration finish_limit_;
  uint64_t offset_ = 0;
  int64_t seqno_ = 0;
  std::vector<std::byte> checksums_;
};

}  // namespace cairn::datanode
