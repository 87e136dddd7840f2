#include "client/block_group_writer.h"

#include <poll.h>

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "erasure/layout.h"

namespace cairn::client {
namespace {

// `group`'s place for `unit`; without nodes if it has none.
absl::StatusOr<PipelineTarget> PlaceOf(const hdfs::LocatedBlockProto& group,
                                       const erasure::Layout& layout, uint32_t unit) {
  const hdfs::LocatedBlockProto located = LocateUnit(group, layout, unit);
  if (located.locs().empty()) return PipelineTarget{.block = located.b()};
  ASSIGN_OR_RETURN(PipelineTarget target, ToTarget(located));
  while (target.nodes.size() > 1) target.RemoveNode(target.nodes.size() - 1);
  return target;
}

}  // namespace

BlockGroupWriter::BlockGroupWriter(const OpenFile& file, const Striping& striping,
                                   const Settings& settings, OutPacketPool& pool,
                                   ExcludedNodes& excluded, const std::atomic<bool>& aborted)
    : file_(file),
      striping_(striping),
      settings_(settings),
      pool_(pool),
      excluded_(excluded),
      aborted_(aborted) {}

absl::Status BlockGroupWriter::Create(const hdfs::ExtendedBlockProto* previous) {
  const erasure::Layout& layout = striping_.layout();
  ASSIGN_OR_RETURN(const hdfs::LocatedBlockProto located,
                   AddLocatedBlock(file_, previous, excluded_.List()));
  RETURN_IF_ERROR(CheckGroup(located, layout.units(), file_.path));
  group_ = located.b();
  group_.set_numbytes(0);
  for (uint32_t number = 0; number < layout.units(); ++number) {
    Unit& unit = units_.emplace_back(number, *file_.context, pool_, settings_.checksum);
    ASSIGN_OR_RETURN(unit.target, PlaceOf(located, layout, number));
    if (unit.target.nodes.empty()) {
      unit.lost = absl::UnavailableError("the namenode had no datanode for it");
    }
  }
  return CheckUnits();
}

absl::Status BlockGroupWriter::Put(Stripe& stripe) {
  for (Unit& unit : units_) {
    PutCell(unit, stripe.TakeCell(unit.number));
    RETURN_IF_ERROR(CheckUnits());
  }
  group_.set_numbytes(group_.numbytes() + stripe.bytes());
  MoveAll();
  while (KeptBytes() > settings_.window_bytes) RETURN_IF_ERROR(Pump());
  return LeaveLostBehind();
}

absl::Status BlockGroupWriter::Finish(bool sync) {
  RETURN_IF_ERROR(PumpUntilAcked());
  RETURN_IF_ERROR(LeaveLostBehind());
  for (Unit& unit : units_) {
    if (unit.stream.is_connected()) unit.stream.PutClosing(sync);
  }
  closing_ = true;
  return PumpUntilAcked();
}

// ---- Units ----

void BlockGroupWriter::PutCell(Unit& unit, std::vector<std::unique_ptr<OutPacket>> cell) {
  if (!cell.empty() && unit.lost.ok() && !unit.stream.is_connected()) {
    Connect(unit, hdfs::OpWriteBlockProto::PIPELINE_SETUP_CREATE, group_.generationstamp());
  }
  for (std::unique_ptr<OutPacket>& packet : cell) {
    if (unit.lost.ok()) {
      unit.stream.Put(std::move(packet), /*sync=*/false);
    } else {
      pool_.Give(std::move(packet));
    }
  }
}

void BlockGroupWriter::Connect(Unit& unit, Stage stage, uint64_t stamp) {
  unit.stream.Disconnect();
  PipelineFailure failure;
  std::optional<OpenPipeline> pipeline = SetUpPipeline(*file_.context, unit.target,
                                                       {.stage = stage,
                                                        .generation_stamp = stamp,
                                                        .min_bytes = unit.stream.acked_bytes(),
                                                        .max_bytes = unit.stream.sent_bytes(),
                                                        .block_bytes = settings_.unit_bytes,
                                                        .spare = CanLoseOne()},
                                                       settings_.checksum, failure);
  if (!pipeline.has_value()) return GiveUp(unit, failure);
  unit.stream.Use(*std::move(pipeline), unit.target.nodes);
}

void BlockGroupWriter::GiveUp(Unit& unit, const PipelineFailure& failure) {
  const ClientOptions& options = file_.context->options;
  unit.lost = failure.status;
  unit.stream.Abandon();
  // Whoever says that it will be back is soon welcome again.
  excluded_.Add(unit.target.nodes[0], failure.restarting ? options.datanode_restart_timeout
                                                         : options.excluded_node_expiry);
  lost_under_stamp_ = true;
}

size_t BlockGroupWriter::CountLost() const {
  return static_cast<size_t>(std::count_if(units_.begin(), units_.end(),
                                           [](const Unit& unit) { return !unit.lost.ok(); }));
}

bool BlockGroupWriter::CanLoseOne() const {
  return CountLost() < striping_.coder().schema().parity_units;
}

absl::Status BlockGroupWriter::CheckUnits() const {
  if (aborted_.load(std::memory_order_relaxed)) {
    return absl::AbortedError(absl::StrCat(file_.path, ": the lease is lost"));
  }
  const uint32_t parity = striping_.coder().schema().parity_units;
  if (CountLost() <= parity) return absl::OkStatus();
  std::string text = absl::StrCat(file_.path, ": block group ",
                                  static_cast<int64_t>(group_.blockid()), " has lost ", CountLost(),
                                  " of its ", units_.size(), " units, and can do without ", parity);
  for (const Unit& unit : units_) {
    if (!unit.lost.ok()) absl::StrAppend(&text, "; unit ", unit.number, ": ", unit.lost.message());
  }
  return absl::UnavailableError(text);
}

// ---- Moving bytes ----

uint64_t BlockGroupWriter::KeptBytes() const {
  uint64_t bytes = 0;
  for (const Unit& unit : units_) bytes += unit.stream.kept_bytes();
  return bytes;
}

bool BlockGroupWriter::AllAcked() const {
  return std::all_of(units_.begin(), units_.end(),
                     [](const Unit& unit) { return unit.stream.AllAcked(); });
}

bool BlockGroupWriter::HasUnsent() const {
  return std::any_of(units_.begin(), units_.end(),
                     [](const Unit& unit) { return unit.stream.HasUnsent(); });
}

bool BlockGroupWriter::MoveAll() {
  bool moved = false;
  for (Unit& unit : units_) {
    if (!unit.stream.is_connected()) continue;
    const uint64_t acked = unit.stream.acked_packets();
    if (const std::optional<PipelineFailure> failure = unit.stream.Move()) {
      GiveUp(unit, *failure);
      moved = true;
      continue;
    }
    moved |= unit.stream.acked_packets() != acked;
    unit.stream.ReleaseAcked();
    // Its datanode closes the connection too.
    if (closing_ && unit.stream.AllAcked()) unit.stream.Disconnect();
  }
  return moved;
}

// One at a time, and soon only if another one speaks: where all are silent it is this machine, or
// its way to them, that stands still.
bool BlockGroupWriter::GiveUpOverdue() {
  const bool one_speaks = std::any_of(units_.begin(), units_.end(), [](const Unit& unit) {
    return unit.stream.is_connected() && !unit.stream.IsSilent();
  });
  for (Unit& unit : units_) {
    if (!unit.stream.is_connected()) continue;
    if (const auto failure = unit.stream.CheckOverdue(/*spare=*/one_speaks && CanLoseOne())) {
      GiveUp(unit, *failure);
      return true;
    }
  }
  return false;
}

void BlockGroupWriter::WaitForAny() const {
  absl::Duration slice = absl::InfiniteDuration();
  std::vector<pollfd> polled;
  for (const Unit& unit : units_) {
    if (!unit.stream.is_connected()) continue;
    slice = std::min(slice, unit.stream.WaitSlice(/*spare=*/CanLoseOne()));
    polled.push_back(unit.stream.WhatToPoll());
  }
  // Rounded up, not to spin at the end. Whatever it returns, the streams are looked at next.
  ::poll(polled.data(), polled.size(), static_cast<int>(absl::ToInt64Milliseconds(slice)) + 1);
}

absl::Status BlockGroupWriter::Pump() {
  while (!MoveAll() && !GiveUpOverdue()) {
    RETURN_IF_ERROR(CheckUnits());
    WaitForAny();
    for (Unit& unit : units_) {
      if (unit.stream.is_connected()) unit.stream.QueueHeartbeat();
    }
  }
  return CheckUnits();
}

absl::Status BlockGroupWriter::PumpUntilAcked() {
  while (!AllAcked()) RETURN_IF_ERROR(Pump());
  return CheckUnits();
}

bool BlockGroupWriter::Serve(bool idle) {
  bool heartbeats = false;
  for (Unit& unit : units_) {
    if (!unit.stream.is_connected()) continue;
    unit.stream.QueueHeartbeat();
    heartbeats |= unit.stream.HasHeartbeat();
  }
  if (idle || heartbeats) MoveAll();
  return HasUnsent();
}

// ---- When units are lost ----

absl::Status BlockGroupWriter::LeaveLostBehind() {
  while (lost_under_stamp_) {
    RETURN_IF_ERROR(PumpUntilAcked());
    lost_under_stamp_ = false;
    ASSIGN_OR_RETURN(const hdfs::LocatedBlockProto renewed, RenewBlock(file_, group_));
    TakeTokens(renewed);
    for (Unit& unit : units_) {
      if (!unit.stream.is_connected()) continue;
      Connect(unit, hdfs::OpWriteBlockProto::PIPELINE_SETUP_STREAMING_RECOVERY,
              renewed.b().generationstamp());
    }
    RETURN_IF_ERROR(CheckUnits());
    // If one more was lost, the datanodes of the others take a yet newer stamp in place of this.
    if (!lost_under_stamp_) RETURN_IF_ERROR(TellNamenode(renewed.b().generationstamp()));
  }
  return absl::OkStatus();
}

void BlockGroupWriter::TakeTokens(const hdfs::LocatedBlockProto& renewed) {
  const std::string& numbers = renewed.blockindices();
  const size_t tokens = static_cast<size_t>(renewed.blocktokens_size());
  for (size_t i = 0; i < std::min(numbers.size(), tokens); ++i) {
    const uint8_t number = static_cast<uint8_t>(numbers[i]);
    if (number < units_.size()) {
      units_[number].target.token = renewed.blocktokens(static_cast<int>(i));
    }
  }
}

absl::Status BlockGroupWriter::TellNamenode(uint64_t stamp) {
  PipelineTarget places{.block = group_};
  for (const Unit& unit : units_) {
    places.nodes.push_back(unit.lost.ok() ? unit.target.nodes[0] : LostUnit());
    places.storage_ids.push_back(unit.lost.ok() ? unit.target.storage_ids[0] : "");
  }
  hdfs::ExtendedBlockProto renewed = group_;
  renewed.set_generationstamp(stamp);
  RETURN_IF_ERROR(UpdatePipeline(file_, places, renewed));
  group_ = renewed;
  for (Unit& unit : units_) unit.target.block.set_generationstamp(stamp);
  return absl::OkStatus();
}

}  // namespace cairn::client
