#include "namenode/service/rpc/replica_wait.h"

#include <algorithm>
#include <utility>

namespace cairn::namenode::client_protocol {

ReplicaWait::ReplicaWait(const Call& call, WaitingPlace place, uint64_t ticket)
    : edge_(call.edge_owner),
      place_(std::move(place)),
      user_(call.caller.user),
      remote_ip_(call.caller.remote_ip),
      reply_(call.reply.Defer()),
      ticket_(ticket) {}

// The timer begins after the first try, so that it finds something to answer.
void ReplicaWait::Start() {
  Run();
  edge_->schedule(edge_->options.complete_wait, [self = shared_from_this()] { self->GiveUp(); });
}

void ReplicaWait::Run() { TryWith(BeginTry()); }

void ReplicaWait::TryWith(std::optional<rpc::DeferredReply> reply) {
  const Caller caller{.user = user_, .remote_ip = remote_ip_};
  while (reply.has_value()) {
    Tried tried = Try(caller, reply->ConnectionGone(), [weak = weak_from_this()] {
      if (const auto self = weak.lock()) self->OnReplica();
    });
    reply = EndTry(*std::move(reply), std::move(tried));
  }
}

// Whoever gets the reply tries. Who does not leaves word: the try under way may have come too early
// to see what is new.
std::optional<rpc::DeferredReply> ReplicaWait::BeginTry() {
  std::optional<rpc::DeferredReply> reply;
  MutexLock lock(mu_);
  news_ = !reply_.has_value();
  reply.swap(reply_);
  return reply;
}

// Answers or, if nothing is decided yet, puts the reply back. Returned: try once more.
std::optional<rpc::DeferredReply> ReplicaWait::EndTry(rpc::DeferredReply reply, Tried tried) {
  {
    MutexLock lock(mu_);
    // An earlier try may have changed what this one saw: complete() commits the block.
    ticket_ = tried.ticket = std::max(ticket_, tried.ticket);
    if (tried.missing && std::exchange(news_, false)) return reply;
    if (tried.missing && !time_up_) {
      last_ = std::move(tried);
      reply_ = std::move(reply);
      return std::nullopt;
    }
  }
  if (tried.answer.ok()) {
    reply.SendBytesAt(tried.ticket, *std::move(tried.answer));
  } else {
    reply.FailAt(tried.ticket, tried.answer.status());
  }
  return std::nullopt;
}

void ReplicaWait::OnReplica() {
  edge_->schedule(absl::ZeroDuration(), [weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->Run();
  });
}

void ReplicaWait::GiveUp() {
  std::optional<rpc::DeferredReply> reply;
  std::optional<Tried> last;
  {
    MutexLock lock(mu_);
    time_up_ = true;
    reply.swap(reply_);
    last.swap(last_);
  }
  if (reply.has_value()) TryWith(EndTry(*std::move(reply), *std::move(last)));
}

}  // namespace cairn::namenode::client_protocol
