#include "namenode/service/rpc/truncate_call.h"

#include <memory>
#include <string>
#include <utility>

namespace cairn::namenode::client_protocol {
namespace {

constexpr absl::Duration kLookAgain = absl::Milliseconds(20);

// A truncate() that waits. Only the timer's thread touches it after the start.
class WaitingTruncate : public std::enable_shared_from_this<WaitingTruncate> {
 public:
  WaitingTruncate(const Call& call, WaitingPlace place, const std::string& path, uint64_t ticket)
      : edge_(call.edge_owner),
        place_(std::move(place)),
        user_(call.caller.user),
        remote_ip_(call.caller.remote_ip),
        path_(path),
        ticket_(ticket),
        looks_left_(edge_->options.truncate_wait / kLookAgain),
        reply_(call.reply.Defer()) {}

  void LookLater() {
    edge_->schedule(kLookAgain, [self = shared_from_this()] { self->Look(); });
  }

 private:
  void Look() {
    const Caller caller{.user = user_, .remote_ip = remote_ip_};
    const Outcome<bool> closed = edge_->namenode.IsFileClosed(caller, path_);
    const bool done = closed.value.ok() && *closed.value;
    // A file that was moved away meanwhile is truncated all the same: false, "not seen to end".
    if (!done && closed.value.ok() && --looks_left_ > 0) return LookLater();
    hdfs::TruncateResponseProto response;
    response.set_result(done);
    reply_.SendAt(std::max(ticket_, closed.ticket), response);
  }

  const std::shared_ptr<const Edge> edge_;
  const WaitingPlace place_;
  const std::string user_, remote_ip_, path_;
  const uint64_t ticket_;
  int64_t looks_left_;
  rpc::DeferredReply reply_;
};

}  // namespace

void Truncate(const Call& call) {
  WithRequest<hdfs::TruncateRequestProto>(call, [&](const auto& request) {
    if (const absl::Status bad = CheckClientName(request.clientname()); !bad.ok()) {
      return call.reply.Fail(bad);
    }
    if (request.newlength() > kMaxSigned) {
      return call.reply.Fail(MakeFsError(
          FsError::kIllegalArgument, absl::StrCat("Cannot truncate to a negative file size: ",
                                                  static_cast<int64_t>(request.newlength()), ".")));
    }
    const Outcome<bool> outcome = call.namenode().Truncate(
        call.caller, request.src(), request.newlength(), request.clientname());
    if (!outcome.value.ok() || *outcome.value) return AnswerBool(call, outcome);
    auto place =
        WaitingPlace::Take(call.edge_owner, call.edge().options.truncate_wait - kLookAgain);
    if (!place) return AnswerBool(call, outcome);
    std::make_shared<WaitingTruncate>(call, *std::move(place), request.src(), outcome.ticket)
        ->LookLater();
  });
}

}  // namespace cairn::namenode::client_protocol
