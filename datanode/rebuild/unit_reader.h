// datanode/rebuild/unit_reader.h - a unit's bytes, in order, from the datanode that has it: one
// READ_BLOCK, every chunk verified before it is given out.
//
// Packets go straight to the caller's memory where they fit; else one is held here, of at most
// kMaxSourcePacketBytes. A datanode that drips is waited for no longer than one that is silent
// (least_rate.h). All coroutines on one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "datanode/pipeline/channel.h"
#include "datanode/pipeline/context.h"
#include "datanode/rebuild/least_rate.h"
#include "datanode/rebuild/rebuild_order.h"
#include "wire/transfer/checksum.h"
#include "wire/transfer/packet.h"

namespace cairn::datanode {

// Datanodes send 128 KiB, or one chunk.
inline constexpr uint32_t kMaxSourcePacketBytes = uint32_t{1} << 20;

class UnitReader {
 public:
  struct Range {
    BlockId block{};
    GenerationStamp stamp{};  // at least
    uint64_t offset = 0;
    uint64_t end = 0;  // above `offset`
  };

  // Sends the operation and reads the answer. kUnavailable, kDeadlineExceeded: the datanode is
  // away, or silent or too slow. kFailedPrecondition: it says that it cannot, or breaks the
  // protocol.
  static awaitable<absl::StatusOr<std::unique_ptr<UnitReader>>> Open(const TransferContext& context,
                                                                     const TransferAddress& from,
                                                                     const Range& range);
  // Has the datanode read its replica from disk again, since the bytes at `offset` of it do not
  // match their checksums, and report it if it is bad: reads them once more and says so. Best
  // effort, for a bounded time.
  static awaitable<void> Complain(const TransferContext& context, const TransferAddress& from,
                                  Range range, uint64_t offset);

  ~UnitReader() { channel_->Close(); }
  UnitReader(const UnitReader&) = delete;
  UnitReader& operator=(const UnitReader&) = delete;

  // CRC32C or CRC32, of chunks that a replica may be written with.
  const transfer::DataChecksum& checksum() const { return checksum_; }

  // The next out.size() bytes, which the range has. kDataLoss: a chunk does not match its checksum;
  // bad_offset() says where. Others as Open. After an error the reader is of no use.
  awaitable<absl::Status> Read(std::span<std::byte> out);
  uint64_t bad_offset() const { return bad_offset_; }  // in the unit

 private:
  UnitReader(std::shared_ptr<Channel> channel, const Range& range, const LeastRate& rate)
      : channel_(std::move(channel)), rate_(rate), end_(range.end), position_(range.offset) {}

  absl::Status Broken(absl::string_view what) const;
  awaitable<absl::Status> Begin(const std::string& op);
  awaitable<absl::Status> ReadReply();
  awaitable<absl::Status> ReadFully(std::span<std::byte> out);
  awaitable<absl::Status> ReadPackets(std::span<std::byte> out);
  // Sets packet_ and checksum_bytes_.
  awaitable<absl::Status> ReadHeader();
  absl::Status CheckHeader() const;
  awaitable<absl::Status> ReadData(std::span<std::byte> data);  // of packet_
  awaitable<absl::Status> SkipToLastPacket();

  const std::shared_ptr<Channel> channel_;
  LeastRate rate_;
  const uint64_t end_;
  uint64_t position_;      // next byte for the caller
  uint64_t received_ = 0;  // next byte of the datanode
  uint64_t bad_offset_ = 0;
  int64_t next_seqno_ = 0;
  transfer::DataChecksum checksum_;
  transfer::PacketHeader packet_;
  uint32_t checksum_bytes_ = 0;
  std::vector<std::byte> checksums_;
  std::vector<std::byte> held_packet_;
  std::span<const std::byte> held_;  // what of it is still to be given out
};

}  // namespace cairn::datanode
