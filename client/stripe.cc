#include "client/stripe.h"

#include <algorithm>
#include <utility>

#include "erasure/coder.h"
#include "erasure/layout.h"

namespace cairn::client {

Stripe::Stripe(const Striping& striping, OutPacketPool& pool, uint64_t unit_offset,
               size_t packet_bytes)
    : striping_(striping),
      pool_(pool),
      unit_offset_(unit_offset),
      packet_bytes_(packet_bytes),
      cells_(striping.layout().units()) {}

bool Stripe::is_full() const { return bytes_ == striping_.layout().stripe_bytes(); }

bool Stripe::HasCell(uint32_t unit) const { return striping_.layout().UnitBytes(bytes_, unit) > 0; }

size_t Stripe::Append(std::span<const std::byte> data) {
  const uint64_t cell_bytes = striping_.layout().cell_bytes();
  size_t taken = 0;
  while (taken < data.size() && !is_full()) {
    const uint64_t in_cell = bytes_ % cell_bytes;
    auto& cell = cells_[bytes_ / cell_bytes];
    if (in_cell % packet_bytes_ == 0) {
      cell.push_back(pool_.Take(unit_offset_ + in_cell,
                                std::min<uint64_t>(packet_bytes_, cell_bytes - in_cell)));
    }
    const size_t bytes = std::min(cell.back()->room(), data.size() - taken);
    cell.back()->Append(data.subspan(taken, bytes));
    bytes_ += bytes;
    taken += bytes;
  }
  return taken;
}

void Stripe::MoveTo(uint64_t unit_offset) {
  for (auto& cell : cells_) {
    for (auto& packet : cell) packet->set_offset(packet->offset() - unit_offset_ + unit_offset);
  }
  unit_offset_ = unit_offset;
}

void Stripe::Encode() {
  for (size_t slot = 0; slot < cells_[0].size(); ++slot) EncodeSlot(slot);
}

void Stripe::EncodeSlot(size_t slot) {
  const erasure::Layout& layout = striping_.layout();
  const uint64_t offset = cells_[0][slot]->offset();
  const size_t bytes = cells_[0][slot]->size();
  Padding padding;
  std::vector<const std::byte*> data;
  for (uint32_t unit = 0; unit < layout.data_units(); ++unit) {
    data.push_back(Data(unit, slot, bytes, padding));
  }
  std::vector<std::byte*> parity;
  for (uint32_t unit = layout.data_units(); unit < layout.units(); ++unit) {
    cells_[unit].push_back(pool_.Take(offset, bytes));
    parity.push_back(cells_[unit].back()->Extend(bytes).data());
  }
  striping_.coder().Encode(data, parity, bytes);
}

const std::byte* Stripe::Data(uint32_t unit, size_t slot, size_t bytes, Padding& padding) const {
  if (slot >= cells_[unit].size()) {
    padding.missing.resize(bytes);
    return padding.missing.data();
  }
  const std::span<const std::byte> there = cells_[unit][slot]->data();
  if (there.size() == bytes) return there.data();
  padding.partial.assign(there.begin(), there.end());
  padding.partial.resize(bytes);
  return padding.partial.data();
}

std::vector<std::unique_ptr<OutPacket>> Stripe::TakeCell(uint32_t unit) {
  return std::exchange(cells_[unit], {});
}

}  // namespace cairn::client
