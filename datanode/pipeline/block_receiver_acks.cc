// BlockReceiver: acknowledgements, and what else goes upstream.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "boost/asio/post.hpp"
#include "common/logging.h"
#include "datanode/pipeline/block_receiver.h"

namespace cairn::datanode {
namespace {

namespace asio = boost::asio;
using transfer::PipelineAck;

constexpr size_t kMaxAcksPerSend = 256;
constexpr size_t kMaxAckBytesPerSend = size_t{16} << 10;  // and one more acknowledgement
constexpr std::chrono::milliseconds kBlockingSpan{250};

}  // namespace

// ---- Signs of life ----

bool BlockReceiver::IsStuck() const {
  const auto now = Steady::now();
  const auto limit = absl::ToChronoNanoseconds(stuck_limit_);
  return (flush_running_ && now - flush_began_ > limit) ||
         (!items_.empty() && now - last_acked_ > limit);
}

void BlockReceiver::Watch() {
  if (watch_timer_armed_) return;
  watch_timer_armed_ = true;
  watch_timer_.expires_after(absl::ToChronoNanoseconds(watch_period_));
  watch_timer_.async_wait([self = shared_from_this()](const boost::system::error_code& error) {
    self->watch_timer_armed_ = false;
    if (error || !self->OwesAnswer()) return;
    // What the mirror says while it takes nothing has to be read: it is alive.
    if (self->forwarding_) self->mirror_signal_.Notify();
    if (self->gives_signs_ && !self->IsStuck()) {
      self->sign_wanted_ = true;
      self->ack_signal_.Notify();
    }
    if (self->loops_running_ > 0) self->Watch();
  });
}

void BlockReceiver::AnnounceRestart() {
  asio::post(upstream_->executor(), [self = shared_from_this()] {
    self->restart_wanted_ = true;
    self->ack_signal_.Notify();
  });
}

std::string BlockReceiver::OutOfTurn() {
  std::string out;
  if (!send_acks_) return out;
  if (notice_.has_value()) {
    notice_->statuses.insert(notice_->statuses.begin(), hdfs::STATUS_SUCCESS);
    transfer::AppendAck(*notice_, out);
    notice_.reset();
  }
  if (restart_wanted_ && !restart_told_) {
    restart_told_ = true;
    transfer::AppendAck({.seqno = transfer::kUnknownSeqno, .statuses = {hdfs::STATUS_OOB_RESTART}},
                        out);
  } else if (std::exchange(sign_wanted_, false)) {
    transfer::AppendAck({.seqno = transfer::kSignOfLifeSeqno, .statuses = {hdfs::STATUS_SUCCESS}},
                        out);
  }
  return out;
}

awaitable<void> BlockReceiver::WaitForClient() {
  while (!receiving_ended_) co_await ack_signal_.Wait();
}

// ---- Acknowledging ----

bool BlockReceiver::FrontIsReady() const {
  const Item& item = items_.front();
  const bool wrote = item.bad || !write_error_.ok() || items_written_ > items_acked_;
  const bool mirrored =
      mirror_ == nullptr || !send_acks_ || item.bad || !mirror_error_.ok() || !downstream_.empty();
  return wrote && mirrored;
}

PipelineAck BlockReceiver::MakeAck(const Item& item) {
  PipelineAck ack{.seqno = item.seqno};
  if (item.bad) {
    ack.statuses.push_back(hdfs::STATUS_ERROR_CHECKSUM);
    return ack;
  }
  const bool wrote = write_error_.ok() || items_written_ > items_acked_;
  ack.statuses.push_back(wrote ? hdfs::STATUS_SUCCESS : hdfs::STATUS_ERROR);
  if (mirror_ == nullptr || !send_acks_) {
    AddTimes(item, nullptr, ack);
    return ack;
  }
  if (downstream_.empty() || downstream_.front().ack.seqno != item.seqno) {
    if (mirror_error_.ok()) {
      mirror_error_ = absl::UnavailableError(
          absl::StrCat(mirror_->PeerName(), ": acknowledged another packet"));
    }
    ack.statuses.push_back(hdfs::STATUS_ERROR);
    return ack;
  }
  const auto& statuses = downstream_.front().ack.statuses;
  ack.statuses.insert(ack.statuses.end(), statuses.begin(), statuses.end());
  AddTimes(item, &downstream_.front(), ack);
  downstream_.pop_front();
  return ack;
}

void BlockReceiver::AddTimes(const Item& item, const MirrorAck* mirrored, PipelineAck& ack) const {
  if (!gives_signs_ || item.received == Steady::time_point()) return;
  using std::chrono::microseconds;
  using std::chrono::nanoseconds;
  const auto micros = [](Steady::duration time) {
    return static_cast<uint64_t>(
        std::max<int64_t>(std::chrono::duration_cast<microseconds>(time).count(), 0));
  };
  ack.downstream_nanos = static_cast<uint64_t>(
      std::chrono::duration_cast<nanoseconds>(Steady::now() - item.received).count());
  ack.node_micros.push_back(micros(item.writing));
  if (mirrored == nullptr) return;
  const PipelineAck& next = mirrored->ack;
  ack.node_micros.insert(ack.node_micros.end(), next.node_micros.begin(), next.node_micros.end());
  // The way there and back: what is not the next node's own time, or that of nodes behind it.
  if (ack.node_micros.size() < 2) return;
  ack.node_micros[1] += transfer::MicrosOnTheWay(next, micros(mirrored->came - item.received));
  ack.blocked_permille = blocked_permille_;
}

void BlockReceiver::MeasureBlocking(Steady::time_point from, Steady::time_point to) {
  blocked_ += to - from;
  const auto span = to - blocked_since_;
  if (span < kBlockingSpan) return;
  blocked_permille_ = static_cast<uint32_t>(
      std::min<int64_t>(blocked_ * int64_t{transfer::kAllBlocked} / span, transfer::kAllBlocked));
  blocked_ = {};
  blocked_since_ = to;
}

void BlockReceiver::EndAckLoop(bool thrown) {
  // Without acknowledgements a receiver that has ended by itself still answers.
  if (thrown || (!all_acked_ && (send_acks_ || !receiving_ended_))) upstream_->Close();
  if (thrown) all_acked_ = false;
  disk_signal_.Notify();
}

awaitable<void> BlockReceiver::AckLoop() {
  bool stop = false;
  while (!stop) {
    std::string out;
    size_t count = 0;
    for (; count < kMaxAcksPerSend && out.size() < kMaxAckBytesPerSend && !stop &&
           !items_.empty() && FrontIsReady();
         ++count) {
      const Item item = items_.front();
      const PipelineAck ack = MakeAck(item);
      items_.pop_front();
      ++items_acked_;
      if (ack.AllSucceeded()) {
        // Before anybody can know of the acknowledgement and ask for the bytes.
        writer_->open().SetAcked(std::max(item.end, writer_->open().acked()));
        all_acked_ = item.last;
      }
      stop = item.last || !ack.AllSucceeded();
      if (send_acks_) transfer::AppendAck(ack, out);
    }
    if (count > 0) {
      last_acked_ = Steady::now();
      sign_wanted_ = false;  // these are
    }
    if (!stop) out += OutOfTurn();
    if (count > 0 || !out.empty()) {
      const absl::Status status =
          co_await upstream_->WriteBytes(std::as_bytes(std::span(out.data(), out.size())));
      if (!status.ok()) {
        all_acked_ = false;
        break;
      }
      disk_signal_.Notify();                   // there is room in items_
      if (count > 0) mirror_signal_.Notify();  // and in downstream_
      if (restart_told_ && !stop) {
        co_await WaitForClient();
        break;
      }
      continue;
    }
    const bool nothing_comes = receiving_ended_ && !last_received_ && !bad_received_;
    const bool cannot_write = receiving_ended_ && !write_error_.ok() && items_.empty();
    if (stop || nothing_comes || cannot_write) break;
    co_await ack_signal_.Wait();
  }
}

void BlockReceiver::EndMirrorAckLoop(bool /*thrown*/) {
  // An exception: AckLoop waits for no more.
  if (mirror_error_.ok()) mirror_error_ = absl::Status(absl::StatusCode::kUnavailable, "");
  ack_signal_.Notify();
}

awaitable<void> BlockReceiver::MirrorAckLoop() {
  while (mirror_error_.ok()) {
    // Who takes nothing may still say that it is alive: what it has said is read.
    if (downstream_.size() >= kMaxDownstream && !(forwarding_ && mirror_gives_signs_) &&
        !mirror_->closed()) {
      co_await mirror_signal_.Wait();
      continue;
    }
    auto taken = transfer::TakeAck(mirror_->pending());
    if (!taken.ok()) {
      mirror_error_ = taken.status();
    } else if (taken->has_value()) {
      auto& pending = mirror_->pending();
      pending.erase(pending.begin(),
                    pending.begin() + static_cast<std::ptrdiff_t>((*taken)->consumed));
      transfer::PipelineAck& ack = (*taken)->ack;
      if (ack.seqno == transfer::kSignOfLifeSeqno) continue;
      if (ack.seqno == transfer::kUnknownSeqno) {
        notice_ = std::move(ack);
        ack_signal_.Notify();
        continue;
      }
      // The packet that is being passed on is not among items_ yet.
      if (mirror_acks_ < items_enqueued_ + (in_packet_ ? 1 : 0)) {
        ++mirror_acks_;
        downstream_.push_back({std::move(ack), Steady::now()});
      } else {
        mirror_error_ = absl::UnavailableError("the next node acknowledges what it was not sent");
      }
    } else if (items_enqueued_ <= mirror_acks_ && !(forwarding_ && mirror_gives_signs_) &&
               !mirror_->closed() && forward_error_.ok()) {
      co_await mirror_signal_.Wait();  // its silence is no failure now
      continue;
    } else {
      absl::Status status = co_await mirror_->ReadMore();
      if (status.ok()) continue;
      mirror_error_ = std::move(status);
    }
    ack_signal_.Notify();
  }
  if (!all_acked_ && !upstream_->closed()) {
    LOG_WARN("{}: the next node has failed: {}", NameOf(writer_->block()), mirror_error_);
  }
}

}  // namespace cairn::datanode
