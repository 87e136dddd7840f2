#include "tests/sim/block_writer.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/status_macros.h"
#include "tests/sim/limits.h"

namespace cairn::sim {

using namenode::BlockVersion;
using namenode::Caller;
using namenode::NamenodeImpl;
using namenode::Nothing;
using namenode::Outcome;

namespace {

constexpr int kMaxRecoveries = 5;  // without an acknowledgement in between
constexpr int kBlockWriteRetries = 3;

std::vector<std::string> Names(absl::string_view prefix, const std::vector<Host>& hosts) {
  std::vector<std::string> names;
  for (const Host host : hosts) names.push_back(absl::StrCat(prefix, host));
  return names;
}

}  // namespace

BlockWriter::BlockWriter(Client& client, std::shared_ptr<ToldFile> file, uint64_t start,
                         std::set<Host>& excluded)
    : client_(client), file_(std::move(file)), start_(start), excluded_(excluded) {}

BlockWriter::~BlockWriter() { CloseStream(); }

void BlockWriter::CloseStream() {
  if (stream_ != nullptr) stream_->Close();
  stream_ = nullptr;
}

BlockVersion BlockWriter::block() const {
  BlockVersion block = target_.block;
  block.length = acked_bytes_;
  return block;
}

// ---- Opening

absl::Status BlockWriter::Create(std::optional<BlockVersion> previous) {
  previous_ = previous;
  can_write_anew_ = true;
  ASSIGN_OR_RETURN(target_, AddBlock());
  if (const auto failure = SetUpPipeline(Stage::kCreate, target_.block.stamp)) {
    return WriteAnew(*failure);
  }
  return absl::OkStatus();
}

absl::Status BlockWriter::Append(const PlacedBlock& block) {
  if (block.nodes.empty()) return absl::UnavailableError("nowhere to append to");
  target_ = block;
  put_bytes_ = acked_bytes_ = resend_from_ = last_offset_ = block.block.length;
  return Reopen(Stage::kAppend);
}

std::optional<BlockWriter::Failure> BlockWriter::SetUpPipeline(Stage stage, GenerationStamp stamp) {
  CloseStream();
  stream_ = client_.network().Connect(client_.host(), target_.nodes[0]);
  inbox_ = std::make_shared<Inbox>();
  Process::Answer<SetUpReply> answer;
  stream_->Listen(
      [inbox = inbox_, answer](const Message& message) {
        if (const auto* const reply = std::get_if<SetUpReply>(&message)) answer.Set(*reply);
        if (const auto* const ack = std::get_if<Ack>(&message)) inbox->acks.push_back(*ack);
        if (inbox->wake) inbox->wake->Set(true);
      },
      [inbox = inbox_, answer] {
        answer.Set({.ok = false, .bad = -1, .message = "closed"});
        inbox->closed = true;
        if (inbox->wake) inbox->wake->Set(true);
      });
  stream_->Send(SetUp{.stage = stage,
                      .block = target_.block.id,
                      .stamp = target_.block.stamp,
                      .new_stamp = stamp,
                      .min_bytes = acked_bytes_,
                      .targets = {target_.nodes.begin() + 1, target_.nodes.end()}});
  const absl::Duration limit =
      kPacketLimit + kPerNode * static_cast<double>(target_.nodes.size() + 1);
  const auto reply = client_.process().Await(answer, limit);
  if (reply.has_value() && reply->ok) return std::nullopt;
  Failure failure{.bad_node = 0, .why = reply ? reply->message : "no answer to the set-up"};
  for (size_t i = 0; reply && i < target_.nodes.size(); ++i) {
    if (target_.nodes[i] == reply->bad) failure.bad_node = i;
  }
  client_.world().Trace("%s: set-up of block %d stage %d failed at dn-%d: %s", client_.name(),
                        ToInt(target_.block.id), static_cast<int>(stage),
                        target_.nodes[failure.bad_node], failure.why);
  return failure;
}

// ---- Moving bytes

absl::Status BlockWriter::Put(uint64_t end) {
  const uint64_t block_end = end - start_;
  if (!unflushed_since_) unflushed_since_ = client_.world().now();
  while (put_bytes_ < block_end) {
    // Who begins inside a chunk ends with it at the latest; other packets are as long as they are.
    const uint64_t chunk_end = (resend_from_ / kChunkBytes + 1) * kChunkBytes;
    const uint64_t packet_end =
        resend_from_ % kChunkBytes == 0 ? block_end : std::min(block_end, chunk_end);
    Packet packet{.seqno = next_seqno_++, .offset = resend_from_};
    const auto bytes = file_->content.begin() + static_cast<std::ptrdiff_t>(start_);
    packet.data = std::make_shared<Bytes>(bytes + static_cast<std::ptrdiff_t>(resend_from_),
                                          bytes + static_cast<std::ptrdiff_t>(packet_end));
    last_offset_ = resend_from_;
    put_bytes_ = resend_from_ = packet_end;
    packets_.push_back(packet);
    stream_->Send(std::move(packet));
  }
  return absl::OkStatus();
}

absl::Status BlockWriter::PumpUntilAcked() {
  while (!AllAcked()) {
    if (const auto failure = Pump()) RETURN_IF_ERROR(Recover(*failure));
  }
  return absl::OkStatus();
}

// Waits for the next acknowledgement.
std::optional<BlockWriter::Failure> BlockWriter::Pump() {
  if (inbox_->acks.empty() && !inbox_->closed) {
    inbox_->wake.emplace();
    const absl::Duration limit =
        kPacketLimit + kPerNode * static_cast<double>(target_.nodes.size() + 2);
    client_.process().Await(Process::Answer<bool>(*inbox_->wake), limit);
    inbox_->wake.reset();
  }
  if (inbox_->acks.empty()) {
    return Failure{.bad_node = 0, .why = inbox_->closed ? "closed" : "no acknowledgement"};
  }
  const Ack ack = inbox_->acks.front();
  inbox_->acks.pop_front();
  if (!ack.AllOk()) {
    const auto bad = std::find(ack.ok.begin(), ack.ok.end(), false) - ack.ok.begin();
    return Failure{.bad_node = std::min(static_cast<size_t>(bad), target_.nodes.size() - 1),
                   .why = absl::StrCat("packet ", ack.seqno, " failed")};
  }
  if (ack.seqno != packets_[acked_].seqno) return Failure{.bad_node = 0, .why = "out of turn"};
  acked_bytes_ = std::max(acked_bytes_, packets_[acked_].end());
  ++acked_;
  recoveries_ = 0;
  return std::nullopt;
}

absl::Status BlockWriter::Flush(bool sync) {
  if (sync) {
    Packet packet{.seqno = next_seqno_++, .offset = put_bytes_};
    packet.data = std::make_shared<Bytes>();
    packet.sync = true;
    packets_.push_back(packet);
    stream_->Send(std::move(packet));
  }
  RETURN_IF_ERROR(PumpUntilAcked());
  can_write_anew_ = false;
  packets_.clear();
  acked_ = 0;
  // A started chunk is sent again with what follows it.
  resend_from_ = std::max(put_bytes_ / kChunkBytes * kChunkBytes, last_offset_);
  if (!persisted_) {
    RETURN_IF_ERROR(
        client_
            .Call<Nothing>([id = file_->id, name = client_.name(), length = acked_bytes_](
                               NamenodeImpl& namenode, const Caller& caller) {
              return namenode.Fsync(caller, "", id, name, length);
            })
            .status());
    persisted_ = true;
  }
  if (sync) {
    Oracle::Synced(*file_, start_ + acked_bytes_);
  } else {
    // A node may have had the bytes, acknowledged them, and lost power before hflush was called.
    Oracle::Flushed(*file_, start_ + acked_bytes_, unflushed_since_.value_or(client_.world().now()),
                    target_.nodes);
  }
  unflushed_since_.reset();
  client_.world().Trace("%s: %s %s: %d bytes of block %d", client_.name(),
                        sync ? "hsynced" : "hflushed", file_->name(), acked_bytes_,
                        ToInt(target_.block.id));
  return absl::OkStatus();
}

absl::Status BlockWriter::Finish(bool sync) {
  if (!can_write_anew_) RETURN_IF_ERROR(PumpUntilAcked());
  Packet packet{.seqno = next_seqno_++, .offset = put_bytes_};
  packet.data = std::make_shared<Bytes>();
  packet.sync = sync;
  packet.last = true;
  packets_.push_back(packet);
  stream_->Send(std::move(packet));
  RETURN_IF_ERROR(PumpUntilAcked());
  CloseStream();
  Oracle::Finished(*file_, start_ + acked_bytes_);
  return absl::OkStatus();
}

// ---- When a node fails

absl::Status BlockWriter::Recover(const Failure& failure) {
  client_.world().Trace("%s: pipeline of block %d: dn-%d: %s", client_.name(),
                        ToInt(target_.block.id), target_.nodes[failure.bad_node], failure.why);
  CloseStream();
  if (++recoveries_ > kMaxRecoveries) return absl::UnavailableError("no progress");
  return can_write_anew_ ? WriteAnew(failure) : GoOnWithout(failure);
}

absl::Status BlockWriter::WriteAnew(Failure failure) {
  for (int attempt = 0; attempt <= kBlockWriteRetries; ++attempt) {
    excluded_.insert(target_.nodes[failure.bad_node]);
    RETURN_IF_ERROR(AbandonBlock());
    ASSIGN_OR_RETURN(target_, AddBlock());
    const auto again = SetUpPipeline(Stage::kCreate, target_.block.stamp);
    if (!again.has_value()) {
      acked_ = 0;
      acked_bytes_ = 0;
      for (const Packet& packet : packets_) stream_->Send(packet);
      return absl::OkStatus();
    }
    failure = *again;
  }
  return absl::UnavailableError("unable to create new block");
}

absl::Status BlockWriter::GoOnWithout(const Failure& failure) {
  excluded_.insert(target_.nodes[failure.bad_node]);
  if (target_.nodes.size() == 1) return absl::UnavailableError("all datanodes are bad");
  target_.nodes.erase(target_.nodes.begin() + static_cast<std::ptrdiff_t>(failure.bad_node));
  Oracle::NewPipeline(*file_, target_.nodes);
  const bool closing = packets_.size() == acked_ + 1 && packets_.back().last;
  return Reopen(closing ? Stage::kCloseRecovery : Stage::kStreamingRecovery);
}

absl::Status BlockWriter::Reopen(Stage stage) {
  packets_.erase(packets_.begin(), packets_.begin() + static_cast<std::ptrdiff_t>(acked_));
  acked_ = 0;
  while (true) {
    ASSIGN_OR_RETURN(const GenerationStamp stamp, RenewStamp());
    const auto failure = SetUpPipeline(stage, stamp);
    if (!failure.has_value()) {
      BlockVersion renewed = block();
      renewed.stamp = stamp;
      RETURN_IF_ERROR(UpdatePipeline(renewed));
      target_.block = renewed;
      break;
    }
    excluded_.insert(target_.nodes[failure->bad_node]);
    if (target_.nodes.size() == 1) return absl::UnavailableError("all datanodes are bad");
    target_.nodes.erase(target_.nodes.begin() + static_cast<std::ptrdiff_t>(failure->bad_node));
    Oracle::NewPipeline(*file_, target_.nodes);
    if (stage == Stage::kAppend) stage = Stage::kAppendRecovery;
  }
  client_.world().Trace("%s: block %d goes on under stamp %d on %d nodes", client_.name(),
                        ToInt(target_.block.id), ToInt(target_.block.stamp), target_.nodes.size());
  if (stage == Stage::kCloseRecovery) {
    acked_ = packets_.size();  // the nodes have finished the block by that
  } else {
    for (const Packet& packet : packets_) stream_->Send(packet);
  }
  return absl::OkStatus();
}

// ---- Calls

absl::StatusOr<PlacedBlock> BlockWriter::AddBlock() {
  ASSIGN_OR_RETURN(PlacedBlock placed,
                   client_.Call<PlacedBlock>(
                       [id = file_->id, name = client_.name(), previous = previous_,
                        excluded = Names("dn-", {excluded_.begin(), excluded_.end()})](
                           NamenodeImpl& namenode, const Caller& caller) -> Outcome<PlacedBlock> {
                         namenode::AddBlockRequest request;
                         request.client_name = name;
                         request.file = id;
                         request.previous = previous;
                         request.excluded = excluded;
                         const Outcome<namenode::LocatedBlock> outcome =
                             namenode.AddBlock(caller, request, nullptr);
                         if (!outcome.value.ok()) return {outcome.value.status(), outcome.ticket};
                         return {Client::Place(namenode, *outcome.value), outcome.ticket};
                       }));
  if (placed.nodes.empty()) return absl::UnavailableError("no datanode is known");
  Oracle::NewBlock(*file_, client_.world().now(), placed.nodes);
  client_.world().Trace("%s: block %d stamp %d of %s on dn-%s", client_.name(),
                        ToInt(placed.block.id), ToInt(placed.block.stamp), file_->name(),
                        absl::StrJoin(placed.nodes, ","));
  return placed;
}

absl::Status BlockWriter::AbandonBlock() {
  return client_
      .Call<Nothing>([id = file_->id, name = client_.name(), block = target_.block](
                         NamenodeImpl& namenode, const Caller& caller) {
        return namenode.AbandonBlock(caller, "", id, name, block);
      })
      .status();
}

absl::StatusOr<GenerationStamp> BlockWriter::RenewStamp() {
  ASSIGN_OR_RETURN(
      const namenode::LocatedBlock located,
      client_.Call<namenode::LocatedBlock>([name = client_.name(), block = target_.block](
                                               NamenodeImpl& namenode, const Caller& caller) {
        return namenode.UpdateBlockForPipeline(caller, block, name);
      }));
  return located.block.stamp;
}

absl::Status BlockWriter::UpdatePipeline(const BlockVersion& renewed) {
  return client_
      .Call<Nothing>([name = client_.name(), old = target_.block, renewed, nodes = target_.nodes](
                         NamenodeImpl& namenode, const Caller& caller) {
        return namenode.UpdatePipeline(caller, name, old, renewed, Names("dn-", nodes),
                                       Names("DS-", nodes));
      })
      .status();
}

}  // namespace cairn::sim
