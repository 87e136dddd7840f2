#include "tests/sim/receiver.h"

#include <algorithm>

#include "absl/cleanup/cleanup.h"

#include "common/status_macros.h"
#include "tests/sim/limits.h"
#include "wire/transfer/checksum.h"

namespace cairn::sim {

using datanode::OpenReplica;
using datanode::ReplicaWriter;

void Receiver::Accept(Node& node, std::shared_ptr<Stream> upstream) {
  std::shared_ptr<Receiver> self(new Receiver(node, std::move(upstream)));
  node.receivers.insert(self);
  const std::weak_ptr<Receiver> weak = self;
  self->upstream_->Listen(
      [weak](const Message& message) {
        if (const auto receiver = weak.lock()) receiver->OnUpstream(message);
      },
      [weak] {
        if (const auto receiver = weak.lock()) receiver->End();
      });
}

void Receiver::OnUpstream(const Message& message) {
  if (ended_) return;
  if (const auto* const op = std::get_if<SetUp>(&message)) {
    node_.process.Spawn([self = shared_from_this(), op = *op] { self->SetUpPipeline(op); });
  } else if (const auto* const packet = std::get_if<Packet>(&message)) {
    if (running_) {
      OnPacket(*packet);
    } else {
      early_.push_back(*packet);
    }
  }
}

// ---- Set-up

void Receiver::StopEarlierWriter(const SetUp& op) {
  const auto info = node_.store.Find(op.block);
  const std::shared_ptr<OpenReplica> open = node_.store.FindOpen(op.block);
  if (!info.has_value() || open == nullptr) return;
  const bool creates = op.stage == Stage::kCreate || op.stage == Stage::kCopy;
  const GenerationStamp stamp = creates ? op.stamp : op.new_stamp;
  if (info->stamp < stamp && (creates || info->stamp >= op.stamp)) open->StopWriter([] {});
}

absl::StatusOr<std::unique_ptr<ReplicaWriter>> Receiver::OpenWriter(const SetUp& op) {
  switch (op.stage) {
    case Stage::kAppend:
      return node_.store.OpenForAppend(op.block, op.stamp, op.new_stamp, op.min_bytes, false);
    case Stage::kAppendRecovery:
      return node_.store.OpenForAppend(op.block, op.stamp, op.new_stamp, op.min_bytes, true);
    case Stage::kStreamingRecovery:
      return node_.store.OpenForStreamingRecovery(op.block, op.stamp, op.new_stamp, op.min_bytes);
    default:
      return node_.store.Create(
          {.block = op.block, .stamp = op.stamp, .temporary = op.stage == Stage::kCopy});
  }
}

// In a fiber.
void Receiver::SetUpPipeline(SetUp op) {
  const std::shared_ptr<Receiver> self = shared_from_this();
  World& world = node_.process.world();
  node_.process.Sleep(world.Between(absl::Microseconds(20), absl::Microseconds(500)));
  if (ended_) return;
  copy_ = op.stage == Stage::kCopy;
  StopEarlierWriter(op);
  if (op.stage == Stage::kCloseRecovery) {
    const absl::Status closed =
        node_.store.RecoverClose(op.block, op.stamp, op.new_stamp, op.min_bytes);
    if (!closed.ok()) return Refuse(closed);
    upstream_->Send(ConnectNext(op));
    return End();
  }
  auto writer = OpenWriter(op);
  if (!writer.ok()) return Refuse(writer.status());
  writer_ = *std::move(writer);
  writer_->open().SetStopper([weak = weak_from_this()] {
    if (const auto receiver = weak.lock()) receiver->Stop();
  });
  received_ = writer_->length();
  tail_start_ = received_ / kChunkBytes * kChunkBytes;
  tail_.resize(received_ - tail_start_);
  if (!tail_.empty()) {
    if (const absl::Status loaded = writer_->Load(tail_start_, tail_); !loaded.ok()) {
      return Refuse(loaded);
    }
  }
  const SetUpReply reply = ConnectNext(op);
  if (ended_) return;
  if (!copy_) upstream_->Send(reply);
  if (!reply.ok) {
    if (op.stage == Stage::kCreate) writer_->Discard();
    return End();
  }
  running_ = true;
  for (const Packet& packet : std::exchange(early_, {})) {
    if (!ended_) OnPacket(packet);
  }
}

SetUpReply Receiver::ConnectNext(const SetUp& op) {
  if (op.targets.empty()) return {.ok = true};
  const Host next = op.targets.front();
  SetUp onward = op;
  onward.targets.erase(onward.targets.begin());
  mirror_ = node_.network.Connect(node_.host, next);
  Process::Answer<SetUpReply> answer;
  mirror_->Listen(
      [weak = weak_from_this(), answer](const Message& message) {
        if (const auto* const reply = std::get_if<SetUpReply>(&message)) answer.Set(*reply);
        const auto receiver = weak.lock();
        if (receiver == nullptr || receiver->ended_) return;
        if (const auto* const ack = std::get_if<Ack>(&message)) receiver->OnMirrorAck(*ack);
      },
      [weak = weak_from_this(), answer, next] {
        answer.Set({.ok = false, .bad = next, .message = "closed"});
        if (const auto receiver = weak.lock()) receiver->FailMirror();
      });
  mirror_->Send(onward);
  const absl::Duration limit =
      kPacketLimit + kPerNode * static_cast<double>(onward.targets.size() + 1);
  const auto reply = node_.process.Await(answer, limit);
  if (!reply.has_value()) return {.ok = false, .bad = next, .message = "no answer in time"};
  SetUpReply said = *reply;
  if (!said.ok && said.bad < 0) said.bad = next;
  return said;
}

void Receiver::Refuse(const absl::Status& why) {
  node_.process.world().Trace("dn-%d: refuses: %s", node_.host, std::string(why.message()));
  if (!copy_) {
    upstream_->Send(
        SetUpReply{.ok = false, .bad = node_.host, .message = std::string(why.message())});
  }
  End();
}

// ---- Packets

void Receiver::OnPacket(const Packet& packet) {
  if (packet.offset > received_) return End();
  received_ = std::max(received_, packet.end());
  if (mirror_ != nullptr && !mirror_failed_) {
    mirror_->Send(packet);
    const size_t behind = 1;
    node_.process.After(kPacketLimit + kPerNode * static_cast<double>(behind),
                        [weak = weak_from_this(), seqno = packet.seqno] {
                          const auto receiver = weak.lock();
                          if (receiver == nullptr) return;
                          for (const Item& item : receiver->items_) {
                            if (item.packet.seqno == seqno && !item.downstream) {
                              return receiver->FailMirror();
                            }
                          }
                        });
  }
  items_.push_back({.packet = packet});
  StartJob();
}

void Receiver::StartJob() {
  const auto next =
      std::find_if(items_.begin(), items_.end(), [](const Item& item) { return !item.written; });
  if (job_running_ || write_failed_ || next == items_.end()) return;
  job_running_ = true;
  World& world = node_.process.world();
  const absl::Duration time = world.OneIn(30)
                                  ? world.Between(absl::Milliseconds(1), absl::Milliseconds(200))
                                  : world.Between(absl::Microseconds(10), absl::Milliseconds(1));
  node_.process.After(time, [weak = weak_from_this()] {
    const auto receiver = weak.lock();
    if (receiver == nullptr || receiver->ended_) return;
    receiver->job_running_ = false;
    receiver->write_failed_ = !receiver->WriteNext().ok();
    receiver->SendAcks();
    if (!receiver->ended_) receiver->StartJob();
  });
}

absl::Status Receiver::WriteNext() {
  in_writer_ = true;
  const absl::Cleanup left = [this] { in_writer_ = false; };
  for (Item& item : items_) {
    if (item.written) continue;
    RETURN_IF_ERROR(WriteBytes(item.packet));
    if (item.packet.last) {
      RETURN_IF_ERROR(writer_->Finalize(item.packet.sync));
    } else if (item.packet.sync) {
      RETURN_IF_ERROR(writer_->Sync());
    }
    item.written = true;
    return absl::OkStatus();
  }
  return absl::OkStatus();
}

absl::Status Receiver::WriteBytes(const Packet& packet) {
  const uint64_t length = writer_->length();
  if (packet.end() <= length) return absl::OkStatus();  // sent again
  // hflush sends the beginning of the last chunk again; only what is new is written.
  const uint64_t from = length;
  const uint64_t start = tail_start_;
  Bytes buffer(tail_);
  buffer.insert(buffer.end(),
                packet.data->begin() + static_cast<std::ptrdiff_t>(from - packet.offset),
                packet.data->end());
  const transfer::DataChecksum& checksum = writer_->checksum();
  Bytes crcs(checksum.ChecksumBytes(buffer.size()));
  checksum.Compute(buffer, crcs);
  RETURN_IF_ERROR(writer_->Write(start, buffer, from, start, crcs));
  tail_start_ = packet.end() / kChunkBytes * kChunkBytes;
  tail_.assign(buffer.begin() + static_cast<std::ptrdiff_t>(tail_start_ - start), buffer.end());
  return absl::OkStatus();
}

void Receiver::OnMirrorAck(const Ack& ack) {
  for (Item& item : items_) {
    if (item.downstream.has_value()) continue;
    if (item.packet.seqno != ack.seqno) return FailMirror();
    item.downstream = ack;
    break;
  }
  SendAcks();
}

void Receiver::FailMirror() {
  if (ended_ || mirror_failed_) return;
  mirror_failed_ = true;
  if (running_) SendAcks();
}

void Receiver::SendAcks() {
  while (!ended_ && !items_.empty()) {
    const Item& item = items_.front();
    const bool wrote = item.written || write_failed_;
    const bool mirrored =
        mirror_ == nullptr || copy_ || mirror_failed_ || item.downstream.has_value();
    if (!wrote || !mirrored) return;
    Ack ack{.seqno = item.packet.seqno, .ok = {item.written}};
    if (mirror_ != nullptr && !copy_) {
      if (item.downstream.has_value()) {
        ack.ok.insert(ack.ok.end(), item.downstream->ok.begin(), item.downstream->ok.end());
      } else {
        ack.ok.push_back(false);
      }
    }
    // Before anybody can know of the acknowledgement and ask for the bytes.
    if (ack.AllOk()) {
      writer_->open().SetAcked(std::max(item.packet.end(), writer_->open().acked()));
    }
    const bool stop = item.packet.last || !ack.AllOk();
    if (!copy_) upstream_->Send(ack);
    items_.pop_front();
    if (stop) return End();
  }
}

// Somebody wants the replica, or its volume has failed: perhaps in the middle of our own write.
void Receiver::Stop() {
  if (!in_writer_) return End();
  node_.process.Run([weak = weak_from_this()] {
    if (const auto receiver = weak.lock()) receiver->End();
  });
}

void Receiver::End() {
  if (ended_) return;
  ended_ = true;
  const std::shared_ptr<Receiver> self = shared_from_this();
  node_.receivers.erase(self);
  // What was received stays, whatever happened to the connection.
  if (writer_ != nullptr && !writer_->finalized() && !write_failed_) {
    while (
        std::any_of(items_.begin(), items_.end(), [](const Item& item) { return !item.written; })) {
      if (!WriteNext().ok()) break;
    }
  }
  if (mirror_ != nullptr) mirror_->Close();
  upstream_->Close();
  CloseWriter();
}

void Receiver::CloseWriter() {
  node_.disk.HoldPower(true);
  writer_ = nullptr;
  node_.disk.HoldPower(false);
}

void Receiver::Drop() {
  ended_ = true;
  CloseWriter();
}

}  // namespace cairn::sim
