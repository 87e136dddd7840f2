#include "tests/sim/network.h"

#include <algorithm>

namespace cairn::sim {
namespace {

// Between two looks whether a cut is over.
constexpr absl::Duration kRetransmit = absl::Milliseconds(500);

}  // namespace

Process* Network::ProcessOf(Host host) const {
  const auto found = processes_.find(host);
  return found == processes_.end() ? nullptr : found->second;
}

bool Network::IsCut(Host from, Host to) const {
  const auto found = cuts_.find({from, to});
  return found != cuts_.end() && found->second > 0;
}

absl::Duration Network::Delay() {
  // Mostly quick; sometimes as slow as it may be, so that others overtake it.
  const bool slow = world_.OneIn(8);
  return world_.Between(absl::Microseconds(50), slow ? slowest_ : slowest_ / 10);
}

void Network::Send(Host from, Host to, std::function<void()> deliver) {
  if (IsCut(from, to)) {
    if (world_.OneIn(2)) return;  // lost
    return world_.After(kRetransmit, [this, from, to, deliver = std::move(deliver)]() mutable {
      Send(from, to, std::move(deliver));
    });
  }
  world_.After(Delay(), [this, to, deliver = std::move(deliver)]() mutable {
    Process* const process = ProcessOf(to);
    if (process != nullptr && process->alive()) process->Run(std::move(deliver));
  });
}

void Network::CloseStreamsOf(const Process* process) {
  std::erase_if(streams_, [](const auto& stream) { return stream.expired(); });
  for (const auto& weak : std::vector(streams_)) {
    const std::shared_ptr<Stream> stream = weak.lock();
    if (stream != nullptr && stream->process_ == process) stream->Close();
  }
}

void Network::Listen(Host host, std::function<void(std::shared_ptr<Stream>)> accept) {
  listeners_[host] = std::move(accept);
}

std::shared_ptr<Stream> Network::Connect(Host from, Host to) {
  std::shared_ptr<Stream> mine(new Stream(*this, from, to, ProcessOf(from)));
  std::shared_ptr<Stream> theirs(new Stream(*this, to, from, ProcessOf(to)));
  mine->peer_ = theirs;
  theirs->peer_ = mine;
  streams_.push_back(mine);
  streams_.push_back(theirs);
  if (theirs->process_ == nullptr || !theirs->process_->alive()) {
    theirs->Close();
    return mine;
  }
  // Whoever listens by then takes the other end over; the first message may not overtake this.
  mine->Deliver([this, to, theirs](Stream&) {
    const auto found = listeners_.find(to);
    if (found != listeners_.end() && found->second) {
      found->second(theirs);
    } else {
      theirs->Close();
    }
  });
  return mine;
}

void Stream::Listen(OnMessage on_message, std::function<void()> on_closed) {
  on_message_ = std::move(on_message);
  on_closed_ = std::move(on_closed);
  for (const Message& message : std::exchange(early_, {})) {
    const OnMessage call = on_message_;  // a copy: the call may change it
    if (call) call(message);
  }
  if (closed_early_ && on_closed_) std::exchange(on_closed_, nullptr)();
}

void Stream::Send(Message message) {
  Deliver([message = std::move(message)](Stream& other) {
    if (!other.on_message_) {
      other.early_.push_back(message);
    } else {
      const OnMessage call = other.on_message_;
      call(message);
    }
  });
}

void Stream::Deliver(std::function<void(Stream&)> what) {
  if (closed_) return;
  queue_.push_back(std::move(what));
  // Behind what was sent before, whatever its own delay.
  last_delivery_ = std::max(last_delivery_, network_.world_.now() + network_.Delay());
  DeliverAt(last_delivery_);
}

void Stream::DeliverAt(absl::Duration time) {
  World& world = network_.world_;
  world.After(time - world.now(), [self = shared_from_this()] {
    Network& network = self->network_;
    if (network.IsCut(self->from_, self->to_)) {
      self->last_delivery_ = std::max(self->last_delivery_, network.world_.now() + kRetransmit);
      return self->DeliverAt(network.world_.now() + kRetransmit);
    }
    std::function<void(Stream&)> what = std::move(self->queue_.front());
    self->queue_.pop_front();
    const std::shared_ptr<Stream> other = self->peer_.lock();
    Process* const process = network.ProcessOf(self->to_);
    if (other == nullptr || other->closed_ || process == nullptr || process != other->process_ ||
        !process->alive()) {
      return;
    }
    process->Run([other, what = std::move(what)] {
      if (!other->closed_) what(*other);
    });
  });
}

void Stream::HearClosed() {
  closed_ = true;
  on_message_ = nullptr;
  if (on_closed_) {
    std::exchange(on_closed_, nullptr)();
  } else {
    closed_early_ = true;
  }
}

void Stream::Close() {
  if (closed_) return;
  Deliver([](Stream& other) { other.HearClosed(); });
  closed_ = true;
  on_message_ = nullptr;
  on_closed_ = nullptr;
}

}  // namespace cairn::sim
