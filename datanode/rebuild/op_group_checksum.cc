// BLOCK_GROUP_CHECKSUM: the checksum of a block group, put together from what the datanodes of its
// data units say of them. A unit that nobody answers for is computed from others (rebuild.h) and
// summed up on the way; nobody keeps it.
//
// Memory: the sums, at most a megabyte, and next to nothing with cells of the usual size; what a
// rebuild takes where a unit is lost, which few do at a time.
#include <algorithm>
#include <array>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "common/logging.h"
#include "common/status_macros.h"
#include "datanode/pipeline/context.h"
#include "datanode/rebuild/group_sum_order.h"
#include "datanode/rebuild/rebuild.h"
#include "wire/parse_message.h"
#include "wire/transfer/big_endian.h"
#include "wire/transfer/block_checksum.h"
#include "wire/transfer/op.h"

namespace cairn::datanode {
namespace {

using Response = hdfs::OpBlockChecksumResponseProto;

constexpr std::chrono::milliseconds kTurnRetry{20};

// Of the share that a data unit has of what is covered.
struct UnitSum {
  std::string value;
  transfer::DataChecksum kind;  // of its chunks
  uint64_t chunks = 0;          // in the whole unit
};

hdfs::BlockChecksumOptionsProto OptionsFor(const GroupSumOrder& order) {
  hdfs::BlockChecksumOptionsProto options;
  options.set_blockchecksumtype(order.composite ? hdfs::COMPOSITE_CRC : hdfs::MD5CRC);
  if (order.composite) options.set_stripelength(order.group.cell_bytes);
  return options;
}

std::string UnitOp(const TransferContext& context, const GroupSumOrder& order, uint32_t unit,
                   const GroupSumOrder::Holder& holder) {
  hdfs::OpBlockChecksumProto op;
  auto* const block = op.mutable_header()->mutable_block();
  block->set_poolid(context.store.volumes().front()->identity().block_pool_id);
  block->set_blockid(ToInt(UnitOf(order.group.group, unit)));
  block->set_generationstamp(ToInt(order.group.stamp));
  block->set_numbytes(order.CoveredBytes(unit));
  *op.mutable_header()->mutable_token() = holder.token;
  *op.mutable_blockchecksumoptions() = OptionsFor(order);
  return transfer::EncodeOp(transfer::Opcode::kBlockChecksum, op);
}

absl::StatusOr<UnitSum> SumFrom(const GroupSumOrder& order, uint32_t unit,
                                const hdfs::BlockOpResponseProto& reply) {
  if (reply.status() != hdfs::STATUS_SUCCESS) {
    return absl::UnavailableError(EscapeForLog(reply.message()));
  }
  const Response& answer = reply.checksumresponse();
  ASSIGN_OR_RETURN(const auto kind,
                   transfer::DataChecksum::Create(answer.crctype(), answer.bytespercrc()));
  const auto type = answer.blockchecksumoptions().blockchecksumtype();
  if (!reply.has_checksumresponse() || kind.type() == transfer::ChecksumType::kNull ||
      (type == hdfs::COMPOSITE_CRC) != order.composite ||
      answer.blockchecksum().size() != order.SumBytes(unit)) {
    return absl::UnavailableError("sent no valid checksum");
  }
  return UnitSum{.value = answer.blockchecksum(), .kind = kind, .chunks = answer.crcperblock()};
}

awaitable<absl::StatusOr<UnitSum>> Ask(const TransferContext& context, const GroupSumOrder& order,
                                       uint32_t unit, const GroupSumOrder::Holder& holder) {
  const absl::Duration patience = context.options.unit_sum_limit;
  auto connected =
      co_await ConnectToDatanode(context, holder.address.ip, holder.address.port, patience);
  if (!connected.ok()) co_return connected.status();
  const std::shared_ptr<Channel> channel = *std::move(connected);
  const absl::Cleanup close = [&channel] { channel->Close(); };
  channel->SetTotalLimit(patience);
  const std::string op = UnitOp(context, order, unit, holder);
  const absl::Status sent =
      co_await channel->WriteBytes(std::as_bytes(std::span(op.data(), op.size())));
  if (!sent.ok()) co_return sent;
  const absl::StatusOr<std::string> body =
      co_await channel->ReadDelimited(transfer::kMaxReplyBytes);
  if (!body.ok()) co_return body.status();
  hdfs::BlockOpResponseProto reply;
  if (!ParseMessage(*body, &reply)) co_return absl::UnavailableError("an answer without sense");
  co_return SumFrom(order, unit, reply);
}

// Sums up the share of a unit that is computed.
class SumSink final : public UnitSink {
 public:
  // `out` outlives this, and is set when it finishes.
  static OpenedSink Open(const GroupSumOrder& order, uint32_t unit,
                         const transfer::DataChecksum& kind, std::optional<UnitSum>* out) {
    std::unique_ptr<SumSink> sink(new SumSink(order.CoveredBytes(unit), kind, out));
    sink->chunks_ = kind.ChunkCount(order.group.UnitBytes(unit));
    if (order.composite) {
      ASSIGN_OR_RETURN(sink->summer_,
                       transfer::NewCompositeCrc(kind, sink->left_, order.group.cell_bytes));
    } else {
      sink->summer_ = transfer::NewMd5OfCrcs();
    }
    return sink;
  }

  awaitable<absl::Status> Write(std::span<const std::byte> data) override {
    const auto covered = data.first(std::min<uint64_t>(data.size(), left_));
    left_ -= covered.size();
    crcs_.resize(static_cast<size_t>(kind_.ChecksumBytes(covered.size())));
    kind_.Compute(covered, crcs_);
    summer_->Add(crcs_);
    co_return absl::OkStatus();
  }
  awaitable<absl::Status> Finish() override {
    *out_ = UnitSum{.value = summer_->Finish(), .kind = kind_, .chunks = chunks_};
    co_return absl::OkStatus();
  }
  std::string What() const override { return "computed for a checksum"; }

 private:
  SumSink(uint64_t covered, const transfer::DataChecksum& kind, std::optional<UnitSum>* out)
      : kind_(kind), left_(covered), out_(out) {}

  const transfer::DataChecksum kind_;
  uint64_t left_;  // covered bytes that are still to come
  uint64_t chunks_ = 0;
  std::unique_ptr<transfer::BlockChecksummer> summer_;
  std::vector<std::byte> crcs_;
  std::optional<UnitSum>* const out_;
};

class GroupSum {
 public:
  GroupSum(TransferContext& context, const GroupSumOrder& order)
      : context_(context),
        order_(order),
        asked_(order.holders.size()),
        sums_(order.holders.size()) {}

  awaitable<absl::StatusOr<Response>> Run();

 private:
  // Sets the unit's sum, if one of its holders tells it.
  awaitable<void> AskHolders(uint32_t unit);
  awaitable<absl::Status> Compute(const std::vector<uint32_t>& lost);
  awaitable<absl::Status> AwaitTurn();
  // Those that are there, one place each: the one that has just answered, or the first.
  std::vector<UnitSource> Sources(const std::vector<uint32_t>& lost) const;
  absl::StatusOr<Response> Combine() const;

  TransferContext& context_;
  const GroupSumOrder& order_;
  std::vector<size_t> asked_;                 // by unit: the place of the holder last asked
  std::vector<std::optional<UnitSum>> sums_;  // by unit
  std::string why_ = "no datanode is said to have it";  // of the unit lost last
};

awaitable<absl::StatusOr<Response>> GroupSum::Run() {
  std::vector<uint32_t> lost;
  for (uint32_t unit = 0; unit < order_.group.schema.data_units; ++unit) {
    if (order_.CoveredBytes(unit) == 0) break;
    co_await AskHolders(unit);
    if (!sums_[unit].has_value()) lost.push_back(unit);
  }
  if (!lost.empty()) {
    const absl::Status computed = co_await Compute(lost);
    if (!computed.ok()) co_return computed;
  }
  co_return Combine();
}

awaitable<void> GroupSum::AskHolders(uint32_t unit) {
  const std::vector<GroupSumOrder::Holder>& holders = order_.holders[unit];
  for (size_t i = 0; i < holders.size(); ++i) {
    absl::StatusOr<UnitSum> sum = co_await Ask(context_, order_, unit, holders[i]);
    asked_[unit] = i;
    if (sum.ok()) {
      sums_[unit] = *std::move(sum);
      co_return;
    }
    why_ = absl::StrCat(holders[i].address.ip, ":", holders[i].address.port, ": ",
                        sum.status().message());
    LOG_EVERY_SECONDS(kInfo, 10, "checksum of {}: unit {}: {}", order_.group.GroupName(), unit,
                      why_);
  }
}

std::vector<UnitSource> GroupSum::Sources(const std::vector<uint32_t>& lost) const {
  std::vector<UnitSource> sources;
  for (uint32_t unit = 0; unit < order_.holders.size(); ++unit) {
    if (order_.holders[unit].empty() || order_.group.UnitBytes(unit) == 0 ||
        std::find(lost.begin(), lost.end(), unit) != lost.end()) {
      continue;
    }
    UnitSource& source = sources.emplace_back();
    source.unit = unit;
    source.address = order_.holders[unit][asked_[unit]].address;
    source.address.patience = context_.options.unit_sum_limit;
  }
  return sources;
}

awaitable<absl::Status> GroupSum::AwaitTurn() {
  const auto give_up = std::chrono::steady_clock::now() +
                       absl::ToChronoNanoseconds(context_.options.computed_sum_wait);
  const auto executor = co_await boost::asio::this_coro::executor;
  boost::asio::steady_timer timer(executor);
  while (true) {
    if (context_.computed_sums.fetch_add(1) < context_.options.most_computed_sums) {
      co_return absl::OkStatus();
    }
    context_.computed_sums.fetch_sub(1);
    if (context_.outgoing_stop.stop_requested()) {
      co_return absl::CancelledError("this datanode stops");
    }
    if (std::chrono::steady_clock::now() >= give_up) {
      co_return absl::ResourceExhaustedError(
          absl::StrCat(order_.group.GroupName(), ": too many checksums of groups with lost units ",
                       "are being computed here"));
    }
    boost::system::error_code ignored;
    timer.expires_after(kTurnRetry);
    co_await timer.async_wait(boost::asio::redirect_error(boost::asio::use_awaitable, ignored));
  }
}

awaitable<absl::Status> GroupSum::Compute(const std::vector<uint32_t>& lost) {
  RebuildOrder order = order_.group;
  order.for_client = true;
  order.sources = Sources(lost);
  for (const uint32_t unit : lost) order.targets.emplace_back().unit = unit;
  if (order.sources.size() < order.SourcesNeeded()) {
    co_return absl::UnavailableError(absl::StrCat(
        order.GroupName(), ": unit ", lost.back(), ": ", why_, "; ", order.sources.size(),
        " other units are there to compute it from, and ", order.SourcesNeeded(), " are needed"));
  }
  const absl::Status turn = co_await AwaitTurn();
  if (!turn.ok()) co_return turn;
  const absl::Cleanup done = [this] { context_.computed_sums.fetch_sub(1); };
  const OpenSink open = [this](const UnitTarget& target,
                               const transfer::DataChecksum& kind) -> awaitable<OpenedSink> {
    co_return SumSink::Open(order_, target.unit, kind, &sums_[target.unit]);
  };
  // The client says who the sources are, and how long: it may mean one that never ends.
  const auto end = std::chrono::steady_clock::now() +
                   absl::ToChronoNanoseconds(context_.options.computed_sum_limit);
  const auto is_late = [end] { return std::chrono::steady_clock::now() >= end; };
  const std::function<bool()> stopping = [this, is_late] {
    return context_.outgoing_stop.stop_requested() || is_late();
  };
  const RebuildOutcome outcome = co_await ComputeUnits(context_, order, open, stopping);
  for (const absl::Status& status : outcome.targets) {
    if (absl::IsCancelled(status) && is_late()) {
      co_return absl::DeadlineExceededError(
          absl::StrCat(order.GroupName(), ": lost units could not be computed within ",
                       absl::FormatDuration(context_.options.computed_sum_limit)));
    }
    if (!status.ok()) co_return status;
  }
  // What was computed is from units without it; the sum of its own bytes would not fit to that.
  if (outcome.wrong.has_value() && sums_[outcome.wrong->unit].has_value()) {
    co_return absl::DataLossError(outcome.wrong->why);
  }
  co_return absl::OkStatus();
}

absl::StatusOr<Response> GroupSum::Combine() const {
  const UnitSum& first = *sums_[0];
  std::vector<std::string> values;
  for (uint32_t unit = 0; unit < order_.group.schema.data_units; ++unit) {
    values.push_back(sums_[unit].has_value() ? sums_[unit]->value : "");
    if (!sums_[unit].has_value() || sums_[unit]->kind == first.kind) continue;
    return absl::FailedPreconditionError(absl::StrCat(order_.group.GroupName(), ": units 0 and ",
                                                      unit, " have different kinds of checksums"));
  }
  Response response;
  response.set_bytespercrc(first.kind.bytes_per_checksum());
  response.set_crcperblock(first.chunks);
  response.set_crctype(static_cast<hdfs::ChecksumTypeProto>(first.kind.type()));
  if (order_.composite) {
    ASSIGN_OR_RETURN(const uint32_t crc,
                     transfer::CompositeGroupCrc(first.kind.type(), values, order_.group.cell_bytes,
                                                 order_.covered_bytes));
    std::array<std::byte, sizeof(crc)> bytes;
    transfer::StoreBig32(crc, bytes.data());
    response.set_blockchecksum(bytes.data(), bytes.size());
    return response;
  }
  const transfer::Md5Digest digest = transfer::Md5OfGroup(values);
  response.set_blockchecksum(digest.data(), digest.size());
  return response;
}

awaitable<absl::StatusOr<Response>> Answer(TransferContext& context,
                                           const hdfs::OpBlockGroupChecksumProto& op) {
  // Unlike CheckRead: the token that says "group" is the right one here.
  const absl::Status ours = CheckPool(context, op.header().block());
  if (!ours.ok()) co_return ours;
  const absl::StatusOr<GroupSumOrder> order = CheckGroupSum(op);
  if (!order.ok()) co_return order.status();
  GroupSum sum(context, *order);
  absl::StatusOr<Response> response = co_await sum.Run();
  if (response.ok()) *response->mutable_blockchecksumoptions() = op.blockchecksumoptions();
  co_return response;
}

}  // namespace

awaitable<bool> BlockGroupChecksum(TransferContext& context, std::shared_ptr<Channel> channel,
                                   hdfs::OpBlockGroupChecksumProto op) {
  const absl::StatusOr<Response> response = co_await Answer(context, op);
  if (absl::IsDataLoss(response.status())) {
    // Who would read the units one by one, and sum them up, has to know.
    (void)co_await SendError(*channel, hdfs::STATUS_ERROR_CHECKSUM, response.status().message());
    co_return false;
  }
  co_await SendChecksum(*channel, response);
  co_return false;
}

}  // namespace cairn::datanode
