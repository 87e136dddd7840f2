#include "erasure/find_wrong_unit.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <optional>
#include <vector>

#include "common/check.h"

namespace cairn::erasure {
namespace {

constexpr size_t kWindowBytes = size_t{8} << 10;  // compared at a time

// Sets of units are masks, a bit for each.
class Finder {
 public:
  Finder(const Coder& coder, std::span<const UnitPiece> units, size_t bytes)
      : coder_(coder), units_(units), bytes_(bytes), needed_(coder.schema().data_units) {
    for (uint32_t unit = 0; unit < units.size(); ++unit) {
      if (units[unit].bytes != nullptr) there_ |= 1u << unit;
    }
    suspects_ = there_;
  }

  UnitFinding Run() {
    if (spare() == 0) return {};
    computed_.resize(spare() * std::min(bytes_, kWindowBytes));
    for (size_t at = 0; at < bytes_;) {
      const size_t end = EndOfWindow(at);
      Look(at, end - at);
      at = end;
    }
    if (!first_.has_value()) return {.agreement = Agreement::kAgree};
    // With one spare unit leaving out any leaves nothing to compare.
    const bool named = spare() >= 2 && std::popcount(suspects_) == 1;
    return {.agreement = named ? Agreement::kOneIsWrong : Agreement::kCannotSay,
            .unit = named ? static_cast<uint32_t>(std::countr_zero(suspects_)) : 0,
            .offset = *first_,
            .suspects = suspects_};
  }

 private:
  size_t spare() const {
    const auto count = static_cast<size_t>(std::popcount(there_));
    return count > needed_ ? count - needed_ : 0;
  }
  // No unit ends inside a window: all of it is a unit's own, or nothing.
  size_t EndOfWindow(size_t at) const {
    size_t end = std::min(bytes_, at + kWindowBytes);
    for (const UnitPiece& unit : units_) {
      if (unit.held > at) end = std::min(end, unit.held);
    }
    return end;
  }

  void Look(size_t at, size_t count) {
    const std::optional<size_t> differs = FindDifference(there_, at, count);
    if (!differs.has_value()) return;
    if (!first_.has_value()) first_ = *differs;
    for (uint32_t unit = 0; unit < units_.size(); ++unit) {
      const uint32_t bit = 1u << unit;
      if ((suspects_ & bit) == 0) continue;
      const bool may_be_wrong = units_[unit].held > at;
      if (!may_be_wrong || FindDifference(there_ & ~bit, at, count).has_value()) suspects_ &= ~bit;
    }
  }

  // Where the units of `set` contradict each other; no more than k never do.
  std::optional<size_t> FindDifference(uint32_t set, size_t at, size_t count) {
    std::array<const std::byte*, kMaxUnits> sources = {};
    std::array<uint32_t, kMaxUnits> others = {};
    std::array<std::byte*, kMaxUnits> places = {};
    size_t taken = 0, compared = 0;
    for (uint32_t unit = 0; unit < units_.size(); ++unit) {
      if ((set & 1u << unit) == 0) continue;
      if (taken < needed_) {
        sources[unit] = units_[unit].bytes + at;
        ++taken;
      } else {
        places[compared] = computed_.data() + compared * count;
        others[compared] = unit;
        ++compared;
      }
    }
    if (compared == 0) return std::nullopt;
    const absl::Status status =
        coder_.Rebuild(std::span(sources).first(units_.size()), std::span(others).first(compared),
                       std::span(places).first(compared), count);
    CHECK(status.ok()) << status;  // there are k, and any k do
    size_t first = count;
    for (size_t i = 0; i < compared; ++i) {
      const std::byte* const said = units_[others[i]].bytes + at;
      if (std::memcmp(places[i], said, first) == 0) continue;
      const auto differs = std::mismatch(places[i], places[i] + first, said).first;
      first = static_cast<size_t>(differs - places[i]);
    }
    if (first == count) return std::nullopt;
    return at + first;
  }

  const Coder& coder_;
  const std::span<const UnitPiece> units_;
  const size_t bytes_;
  const size_t needed_;
  uint32_t there_ = 0;
  uint32_t suspects_ = 0;  // whose leaving out has ended every contradiction so far
  std::optional<size_t> first_;
  std::vector<std::byte> computed_;
};

}  // namespace

UnitFinding FindWrongUnit(const Coder& coder, std::span<const UnitPiece> units, size_t bytes) {
  CHECK(units.size() == coder.schema().units());
  return Finder(coder, units, bytes).Run();
}

}  // namespace cairn::erasure
