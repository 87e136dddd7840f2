#include "datanode/rebuild/verify_units.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/clock.h"
#include "common/logging.h"
#include "common/status_macros.h"
#include "datanode/rebuild/culprit.h"
#include "datanode/rebuild/reading.h"
#include "datanode/rebuild/rebuild.h"
#include "erasure/coder.h"
#include "erasure/find_wrong_unit.h"

namespace cairn::datanode {
namespace {

// `stopping` is asked this often while nothing is to be read yet.
constexpr absl::Duration kLongestPause = absl::Milliseconds(100);

class Verification {
 public:
  Verification(TransferContext& context, const VerifyOrder& order,
               const std::function<bool()>& stopping)
      : context_(context),
        order_(order.group),
        bytes_per_second_(order.bytes_per_second),
        stopping_(stopping),
        longest_(order.group.UnitBytes(0)) {
    for (const UnitSource& source : order_.sources) units_.emplace_back(context, order_, source);
  }

  awaitable<UnitsVerdict> Run() {
    const absl::Status status = co_await ReadAll();
    co_return Verdict(status);
  }

 private:
  // `status` is ReadAll's.
  UnitsVerdict Verdict(const absl::Status& status) const {
    if (status.ok() && named_.has_value()) return *named_;
    UnitsVerdict verdict{.result = UnitsVerdict::Result::kCouldNot,
                         .why = std::string(status.message())};
    if (status.ok()) verdict.result = UnitsVerdict::Result::kAgree;
    if (contradict_) verdict.result = UnitsVerdict::Result::kContradict;
    return verdict;
  }

  awaitable<absl::Status> ReadAll() {
    auto coder = erasure::Coder::Create(order_.schema);
    if (!coder.ok()) co_return coder.status();
    coder_ = *std::move(coder);
    CO_RETURN_IF_ERROR(co_await Begin());
    for (uint64_t offset = 0; offset < longest_; offset += piece_bytes_) {
      const size_t bytes = BytesIn(longest_, offset, piece_bytes_);
      const absl::Duration began = SystemClock().Monotonic();
      CO_RETURN_IF_ERROR(co_await ReadPiece(offset, bytes));
      CO_RETURN_IF_ERROR(co_await Compare(offset, bytes));
      CO_RETURN_IF_ERROR(co_await KeepPace(began));
    }
    co_return absl::OkStatus();
  }

  awaitable<absl::Status> Begin() {
    CO_RETURN_IF_ERROR(CheckStopping(stopping_));
    if (absl::Status status = co_await units_.front().Open(0); !status.ok()) {
      co_return OfUnit(units_.front(), status);
    }
    const size_t chunk = units_.front().checksum().bytes_per_checksum();
    piece_bytes_ = std::max(kRebuildPieceBytes / chunk, size_t{1}) * chunk;
    if (order_.SourcesNeeded() < order_.schema.data_units) zeros_.resize(piece_bytes_);
    co_return absl::OkStatus();
  }

  awaitable<absl::Status> ReadPiece(uint64_t offset, size_t bytes) {
    read_ = 0;
    for (Reading& unit : units_) {
      CO_RETURN_IF_ERROR(CheckStopping(stopping_));
      const absl::Status status = co_await unit.Fill(offset, bytes);
      if (absl::IsDataLoss(status)) co_await unit.Complain(offset);
      CO_RETURN_IF_ERROR(CheckStopping(stopping_));  // which may be why
      if (!status.ok()) co_return OfUnit(unit, status);
      read_ += unit.OwnBytes(offset, bytes);
    }
    co_return absl::OkStatus();
  }

  // Leaves out a unit that all others contradict; an error: there is none, or a second one.
  awaitable<absl::Status> Compare(uint64_t offset, size_t bytes) {
    const erasure::UnitFinding found = Look(offset, bytes);
    if (found.agreement == erasure::Agreement::kAgree) co_return absl::OkStatus();
    if (found.agreement == erasure::Agreement::kUnchecked) {
      co_return absl::InternalError("too few units to compare");
    }
    const std::string what =
        absl::StrCat(order_.GroupName(), ": its units contradict each other at offset ",
                     offset + found.offset, " of the units");
    if (named_.has_value()) {
      contradict_ = true;
      co_return absl::DataLossError(
          absl::StrCat(what, "; unit ", named_->unit,
                       " was found wrong before: of two wrong ones neither is sure"));
    }
    Contradiction all{.what = absl::DataLossError(what),
                      .offset = offset,
                      .bytes = bytes,
                      .read = std::move(units_),
                      .unread = {},
                      .zeros = zeros_};
    auto culprit = co_await FindCulprit(context_, order_, *coder_, stopping_, std::move(all));
    if (!culprit.ok()) {
      contradict_ = absl::IsDataLoss(culprit.status());
      co_return culprit.status();
    }
    Name(*std::move(culprit));
    co_return absl::OkStatus();
  }

  void Name(Culprit culprit) {
    named_ = UnitsVerdict{.result = UnitsVerdict::Result::kOneIsWrong,
                          .unit = culprit.unit,
                          .why = std::move(culprit.why)};
    units_ = std::move(culprit.others);
  }

  erasure::UnitFinding Look(uint64_t offset, size_t bytes) const {
    std::vector<erasure::UnitPiece> pieces(order_.schema.units());
    for (uint32_t unit = 0; unit < order_.schema.data_units; ++unit) {
      if (order_.UnitBytes(unit) == 0) pieces[unit] = {.bytes = zeros_.data(), .held = 0};
    }
    for (const Reading& unit : units_) {
      pieces[unit.unit()] = {.bytes = unit.piece(), .held = unit.OwnBytes(offset, bytes)};
    }
    return erasure::FindWrongUnit(*coder_, pieces, bytes);
  }

  // A piece takes as long as its bytes may, or longer: what was waited for a slow datanode is not
  // caught up with, which would be a burst for all others.
  awaitable<absl::Status> KeepPace(absl::Duration began) {
    if (bytes_per_second_ == 0) co_return absl::OkStatus();
    const absl::Duration due =
        began + absl::Seconds(static_cast<double>(read_) / static_cast<double>(bytes_per_second_));
    boost::asio::steady_timer timer(co_await boost::asio::this_coro::executor);
    while (true) {
      CO_RETURN_IF_ERROR(CheckStopping(stopping_));
      const absl::Duration left = due - SystemClock().Monotonic();
      if (left <= absl::ZeroDuration()) co_return absl::OkStatus();
      timer.expires_after(absl::ToChronoNanoseconds(std::min(left, kLongestPause)));
      co_await timer.async_wait(boost::asio::use_awaitable);
    }
  }

  absl::Status OfUnit(const Reading& unit, const absl::Status& why) const {
    return absl::Status(
        why.code(), absl::StrCat(order_.GroupName(), ": unit ", unit.unit(), ": ", why.message()));
  }

  TransferContext& context_;
  const RebuildOrder& order_;
  const uint64_t bytes_per_second_;
  const std::function<bool()>& stopping_;
  const uint64_t longest_;  // unit: the first, and all parity
  std::unique_ptr<erasure::Coder> coder_;
  size_t piece_bytes_ = 0;
  std::vector<Reading> units_;    // all, without the one that was found wrong
  std::vector<std::byte> zeros_;  // of data units without bytes
  uint64_t read_ = 0;             // of the piece, of all units together
  bool contradict_ = false;       // that is what ended it
  std::optional<UnitsVerdict> named_;
};

}  // namespace

absl::StatusOr<VerifyOrder> CheckVerify(const internal::VerifyGroup& from) {
  VerifyOrder order{.group = {}, .bytes_per_second = from.bytes_per_second()};
  ASSIGN_OR_RETURN(order.group, CheckSources(from.group()));
  uint32_t holding = 0;
  for (uint32_t unit = 0; unit < order.group.schema.units(); ++unit) {
    holding += order.group.UnitBytes(unit) > 0;
  }
  // None is named twice.
  if (order.group.cut_from || order.group.sources.size() != holding) {
    return absl::InvalidArgumentError(absl::StrCat("order to verify: ", order.group.sources.size(),
                                                   " of ", holding, " units are named"));
  }
  return order;
}

awaitable<UnitsVerdict> VerifyUnits(TransferContext& context, const VerifyOrder& order,
                                    const std::function<bool()>& stopping) {
  Verification verification(context, order, stopping);
  co_return co_await verification.Run();
}

std::optional<internal::GroupVerdict> VerdictOf(const internal::VerifyGroup& order,
                                                const UnitsVerdict& verdict) {
  const internal::BlockRef& group = order.group().group();
  const BlockId id{group.block_id()};
  if (!IsGrouped(id) || UnitNumber(id) != 0) return std::nullopt;
  internal::GroupVerdict out;
  out.set_block_id(group.block_id());
  out.set_generation_stamp(group.generation_stamp());
  out.set_number(order.number());
  out.set_result(static_cast<internal::GroupVerdict::Result>(verdict.result));
  out.set_unit(verdict.unit);
  return out;
}

}  // namespace cairn::datanode
