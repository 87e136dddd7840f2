#include "namenode/service/rpc/complete_call.h"

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "common/mutex.h"
#include "namenode/namespace/path.h"

namespace cairn::namenode::client_protocol {
namespace {

// A complete() that waits. The timer owns it; the namenode, which may hold its call-back for as
// long as the replica is missing, only knows it weakly. Threads: Try and GiveUp on the scheduler's,
// OnReplica on any (perhaps with the namenode's locks held, so it only schedules).
class WaitingComplete : public std::enable_shared_from_this<WaitingComplete> {
 public:
  WaitingComplete(const Call& call, WaitingPlace place, const hdfs::CompleteRequestProto& request,
                  const std::optional<BlockVersion>& last, uint64_t ticket)
      : edge_(call.edge_owner),
        place_(std::move(place)),
        user_(call.caller.user),
        remote_ip_(call.caller.remote_ip),
        path_(request.src()),
        client_name_(request.clientname()),
        file_(InodeId{request.fileid()}),
        last_(last),
        ticket_(ticket),
        reply_(call.reply.Defer()) {}

  void Start() {
    edge_->schedule(edge_->options.complete_wait, [self = shared_from_this()] { self->GiveUp(); });
    Try();
  }

 private:
  void Try() ABSL_LOCKS_EXCLUDED(mu_) {
    {
      MutexLock lock(mu_);
      if (!reply_.has_value()) return;  // the time was up
    }
    const Caller caller{.user = user_, .remote_ip = remote_ip_};
    const Outcome<bool> outcome = edge_->namenode.Complete(caller, path_, file_, client_name_,
                                                           last_, [weak = weak_from_this()] {
                                                             if (const auto self = weak.lock())
                                                               self->OnReplica();
                                                           });
    if (!outcome.value.ok() || *outcome.value) {
      Answer(outcome);
    } else {
      MutexLock lock(mu_);
      ticket_ = std::max(ticket_, outcome.ticket);
    }
  }

  void OnReplica() {
    edge_->schedule(absl::ZeroDuration(), [weak = weak_from_this()] {
      if (const auto self = weak.lock()) self->Try();
    });
  }

  void GiveUp() { Answer({.value = false, .ticket = 0}); }

  // Answers unless that was done already.
  void Answer(const Outcome<bool>& outcome) ABSL_LOCKS_EXCLUDED(mu_) {
    std::optional<rpc::DeferredReply> reply;
    uint64_t ticket = outcome.ticket;
    {
      MutexLock lock(mu_);
      reply.swap(reply_);
      ticket = std::max(ticket, ticket_);  // an earlier attempt may have committed the block
    }
    if (!reply.has_value()) return;
    if (!outcome.value.ok()) return reply->FailAt(ticket, outcome.value.status());
    hdfs::CompleteResponseProto response;
    response.set_result(*outcome.value);
    reply->SendAt(ticket, response);
  }

  const std::shared_ptr<const Edge> edge_;
  const WaitingPlace place_;
  const std::string user_, remote_ip_, path_, client_name_;
  const InodeId file_;
  const std::optional<BlockVersion> last_;

  Mutex mu_;
  uint64_t ticket_ ABSL_GUARDED_BY(mu_);  // the newest edit that an attempt depends on
  std::optional<rpc::DeferredReply> reply_ ABSL_GUARDED_BY(mu_);  // empty: answered
};

}  // namespace

void Complete(const Call& call) {
  WithRequest<hdfs::CompleteRequestProto>(call, [&](const auto& request) {
    if (const absl::Status bad = CheckClientName(request.clientname()); !bad.ok()) {
      return call.reply.Fail(bad);
    }
    // A file's id stands in for its path, which nobody then reads; but a call that waits keeps it.
    if (request.src().size() > kMaxPathBytes) {
      return call.reply.Fail(MakeFsError(
          FsError::kInvalidPath, absl::StrCat("the path is ", request.src().size(),
                                              " bytes long; the limit is ", kMaxPathBytes)));
    }
    std::optional<BlockVersion> last;
    if (request.has_last()) {
      const auto block = ToBlock(call.edge(), request.last());
      if (!block.ok()) return call.reply.Fail(block.status());
      last = *block;
    }
    const Outcome<bool> outcome = call.namenode().Complete(
        call.caller, request.src(), InodeId{request.fileid()}, request.clientname(), last, nullptr);
    if (!outcome.value.ok() || *outcome.value) return AnswerBool(call, outcome);
    auto place = WaitingPlace::Take(call.edge_owner, call.edge().options.complete_wait);
    if (!place) return AnswerBool(call, outcome);
    std::make_shared<WaitingComplete>(call, *std::move(place), request, last, outcome.ticket)
        ->Start();
  });
}

}  // namespace cairn::namenode::client_protocol
