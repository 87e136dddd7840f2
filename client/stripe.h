// client/stripe.h - one stripe of a block group while it is filled: its cells, cut into packets.
//
// The cells are cut at the same places in every unit. So the parity of a slot (packet `s` of each
// cell) is computed from the packets that the data leave in to the packets that the parity leaves
// in, and no byte is copied more than once.
//
//            slot 0      slot 1      slot 2
//   unit 0   [packet]    [packet]    [packet]
//   unit 1   [packet]    [short]        -         what is missing counts as zeros
//   unit 2      -           -           -
//   parity   [packet]    [packet]    [packet]     as long as those of unit 0
//
// Holds at most k + m cells. Not thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "client/out_packet.h"
#include "client/striping.h"

namespace cairn::client {

class Stripe {
 public:
  // Begins at `unit_offset` in every unit. `striping` and `pool` outlive this; packets have
  // `packet_bytes`, or what is left of their cell.
  Stripe(const Striping& striping, OutPacketPool& pool, uint64_t unit_offset, size_t packet_bytes);

  uint64_t bytes() const { return bytes_; }  // of data
  bool is_full() const;
  // `unit` has bytes in it, or will have parity.
  bool HasCell(uint32_t unit) const;
  // Takes what there is room for; returns how many bytes.
  size_t Append(std::span<const std::byte> data);
  // It begins there in place of where it was to.
  void MoveTo(uint64_t unit_offset);
  // Computes the parity of the data, of which there are some. The stripe then takes no more.
  void Encode();
  // The packets of `unit`'s cell in order; none if it has no bytes in this stripe.
  std::vector<std::unique_ptr<OutPacket>> TakeCell(uint32_t unit);

 private:
  // Bytes in place of what the packets of one slot lack.
  struct Padding {
    std::vector<std::byte> partial;  // the one packet that may be short, and zeros after it
    std::vector<std::byte> missing;  // zeros, for all units that have none
  };

  void EncodeSlot(size_t slot);
  // `bytes` of a data unit.
  const std::byte* Data(uint32_t unit, size_t slot, size_t bytes, Padding& padding) const;

  const Striping& striping_;
  OutPacketPool& pool_;
  uint64_t unit_offset_;
  const size_t packet_bytes_;
  uint64_t bytes_ = 0;
  std::vector<std::vector<std::unique_ptr<OutPacket>>> cells_;  // by unit
};

}  // namespace cairn::client
