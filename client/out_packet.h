// client/out_packet.h - a packet on its way to a pipeline, kept until it can no longer be needed.
#pragma once

#include <sys/uio.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "absl/time/time.h"
#include "client/options.h"
#include "wire/transfer/checksum.h"
#include "wire/transfer/packet.h"

namespace cairn::client {

class OutPacket {
 public:
  // Starts over, at `offset_in_block`, for up to `capacity` bytes. The memory is kept.
  void Reset(uint64_t offset_in_block, size_t capacity);

  size_t room() const { return capacity_ - data_.size(); }
  size_t size() const { return data_.size(); }
  uint64_t offset() const { return offset_; }
  void set_offset(uint64_t offset_in_block) { offset_ = offset_in_block; }  // before it is sealed
  uint64_t end() const { return offset_ + data_.size(); }
  std::span<const std::byte> data() const { return data_; }
  int64_t seqno() const { return seqno_; }
  // When its last byte went to the socket.
  absl::Duration sent_at() const { return sent_at_; }
  void set_sent_at(absl::Duration now) { sent_at_ = now; }
  bool is_last() const { return last_; }

  void Append(std::span<const std::byte> bytes);  // no more than room()
  // The same, of bytes that the caller puts where this says.
  std::span<std::byte> Extend(size_t bytes);

  // Fixes number and flags, and computes the checksums: the packet is ready to send.
  void Seal(int64_t seqno, bool last, bool sync, const transfer::DataChecksum& checksum);

  // Bytes on the wire, and those of them after the first `skip`, in at most 3 pieces.
  size_t wire_bytes() const { return header_bytes_ + checksums_.size() + data_.size(); }
  size_t Pieces(size_t skip, std::span<iovec, 3> out);

 private:
  uint64_t offset_ = 0;
  size_t capacity_ = 0;
  int64_t seqno_ = 0;
  absl::Duration sent_at_;
  bool last_ = false;
  std::array<std::byte, transfer::kMaxEncodedHeaderBytes> header_;
  size_t header_bytes_ = 0;
  std::vector<std::byte> checksums_;
  // Grows with what is written: a small file touches no more memory than it needs.
  std::vector<std::byte> data_;
};

// How long a packet is to be, from the client's options: a multiple of the checksum chunk.
class PacketSizes {
 public:
  explicit PacketSizes(const ClientOptions& options);
  // Of a stream that has written so many `bytes` since its last flush: one that goes far is a long
  // one, and larger packets cost it less.
  size_t After(uint64_t bytes) const { return bytes >= kGrowAfterBytes ? large_ : usual_; }

 private:
  static constexpr uint64_t kGrowAfterBytes = 1 << 20;
  size_t usual_;
  size_t large_;
};

// Under which a client's packets go.
transfer::DataChecksum WriteChecksum(const ClientOptions& options);

// Packets to use again: fresh memory costs more than the copy into it. Not thread-safe.
class OutPacketPool {
 public:
  std::unique_ptr<OutPacket> Take(uint64_t offset_in_block, size_t capacity);
  void Give(std::unique_ptr<OutPacket> packet);

 private:
  std::vector<std::unique_ptr<OutPacket>> free_;
};

}  // namespace cairn::client
