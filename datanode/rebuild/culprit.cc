#include "datanode/rebuild/culprit.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/logging.h"
#include "common/status_macros.h"
#include "erasure/find_wrong_unit.h"

namespace cairn::datanode {
namespace {

class Search {
 public:
  Search(const TransferContext& context, const RebuildOrder& order, const erasure::Coder& coder,
         const std::function<bool()>& stopping, Contradiction contradiction)
      : context_(context),
        order_(order),
        coder_(coder),
        stopping_(stopping),
        offset_(contradiction.offset),
        bytes_(contradiction.bytes),
        contradiction_(std::move(contradiction)),
        all_(std::move(contradiction_.read)) {}

  awaitable<absl::StatusOr<Culprit>> Run() {
    co_await ReadAllOthers();
    CO_RETURN_IF_ERROR(CheckStopping(stopping_));  // which may be why one is not there
    const erasure::UnitFinding found = Look();
    if (found.agreement == erasure::Agreement::kAgree) {
      co_return absl::InternalError(
          absl::StrCat(contradiction_.what.message(),
                       "; looked at again they agree: this datanode's memory or processor is bad"));
    }
    if (found.agreement != erasure::Agreement::kOneIsWrong) {
      co_return Cannot(absl::StrCat("which one cannot be told from ", all_.size(), " units"));
    }
    const auto wrong = std::find_if(all_.begin(), all_.end(), [&found](const Reading& reading) {
      return reading.unit() == found.unit;
    });
    const absl::Status again = co_await ReadAgain(*wrong);
    CO_RETURN_IF_ERROR(CheckStopping(stopping_));
    if (!again.ok()) {
      co_return Cannot(
          absl::StrCat("it would be unit ", found.unit, ", which is not sure: ", again.message()));
    }
    const Reading culprit = std::move(*wrong);
    all_.erase(wrong);
    co_return Name(culprit, found.offset);
  }

 private:
  absl::Status Cannot(absl::string_view why) const {
    return absl::DataLossError(absl::StrCat(contradiction_.what.message(), "; ", why));
  }

  awaitable<void> ReadAllOthers() {
    for (const UnitSource* const source : contradiction_.unread) {
      if (stopping_()) co_return;
      Reading other(context_, order_, *source);
      const absl::Status status = co_await other.Fill(offset_, bytes_);
      if (status.ok()) {
        all_.push_back(std::move(other));
        continue;
      }
      LogAbout(order_, LogLevel::kWarn,
               absl::StrCat("rebuilding units: ", order_.GroupName(), ": unit ", other.unit(), ": ",
                            status.message()));
      if (absl::IsDataLoss(status)) co_await other.Complain(offset_);
    }
  }

  erasure::UnitFinding Look() const {
    std::vector<erasure::UnitPiece> pieces(order_.schema.units());
    for (uint32_t unit = 0; unit < order_.schema.data_units; ++unit) {
      if (order_.SourceBytes(unit) == 0) pieces[unit] = {.bytes = zeros().data(), .held = 0};
    }
    for (const Reading& reading : all_) {
      pieces[reading.unit()] = {.bytes = reading.piece(),
                                .held = reading.OwnBytes(offset_, bytes_)};
    }
    return erasure::FindWrongUnit(coder_, pieces, bytes_);
  }

  // OK: it has the same bytes again, so that it was not this machine that changed them.
  awaitable<absl::Status> ReadAgain(const Reading& reading) {
    Reading again(context_, order_, reading.source());
    CO_RETURN_IF_ERROR(co_await again.Fill(offset_, bytes_));
    if (std::equal(again.piece(), again.piece() + bytes_, reading.piece())) {
      co_return absl::OkStatus();
    }
    co_return absl::DataLossError("it has other bytes when it is read again");
  }

  // `at`: in the piece.
  absl::StatusOr<Culprit> Name(const Reading& culprit, size_t at) {
    const uint32_t unit = culprit.unit();
    ASSIGN_OR_RETURN(const std::byte said, WhatOthersSay(unit, at));
    return Culprit{
        .unit = unit,
        .address = culprit.source().address,
        .why = absl::StrCat("unit ", unit, " of ", order_.GroupName(), " has byte ",
                            static_cast<int>(culprit.piece()[at]), " at offset ", offset_ + at,
                            " where all others say ", static_cast<int>(said)),
        .others = std::move(all_)};
  }

  absl::StatusOr<std::byte> WhatOthersSay(uint32_t unit, size_t at) const {
    std::vector<const std::byte*> units(order_.schema.units());
    for (uint32_t data = 0; data < order_.schema.data_units; ++data) {
      if (order_.SourceBytes(data) == 0) units[data] = zeros().data() + at;
    }
    for (const Reading& other : std::span(all_).first(order_.SourcesNeeded())) {
      units[other.unit()] = other.piece() + at;
    }
    std::byte said{};
    std::byte* const place = &said;
    RETURN_IF_ERROR(coder_.Rebuild(units, {&unit, 1}, {&place, 1}, 1));
    return said;
  }

  std::span<const std::byte> zeros() const { return contradiction_.zeros; }

  const TransferContext& context_;
  const RebuildOrder& order_;
  const erasure::Coder& coder_;
  const std::function<bool()>& stopping_;
  const uint64_t offset_;
  const size_t bytes_;
  Contradiction contradiction_;
  std::vector<Reading> all_;
};

}  // namespace

awaitable<absl::StatusOr<Culprit>> FindCulprit(const TransferContext& context,
                                               const RebuildOrder& order,
                                               const erasure::Coder& coder,
                                               const std::function<bool()>& stopping,
                                               Contradiction contradiction) {
  Search search(context, order, coder, stopping, std::move(contradiction));
  co_return co_await search.Run();
}

}  // namespace cairn::datanode
