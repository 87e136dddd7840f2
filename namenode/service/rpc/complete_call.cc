#include "namenode/service/rpc/complete_call.h"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "namenode/namespace/path.h"
#include "namenode/service/rpc/replica_wait.h"

namespace cairn::namenode::client_protocol {
namespace {

class WaitingComplete final : public ReplicaWait {
 public:
  WaitingComplete(const Call& call, WaitingPlace place, uint64_t ticket,
                  const hdfs::CompleteRequestProto& request,
                  const std::optional<BlockVersion>& last)
      : ReplicaWait(call, std::move(place), ticket),
        path_(request.src()),
        client_name_(request.clientname()),
        file_(InodeId{request.fileid()}),
        last_block_(last) {}

 private:
  // Also for a client that is gone: all is written, and it wanted the file closed.
  Tried Try(const Caller& caller, bool /*client_gone*/, std::function<void()> on_replica) override {
    const Outcome<bool> outcome = edge().namenode.Complete(caller, path_, file_, client_name_,
                                                           last_block_, std::move(on_replica));
    if (!outcome.value.ok()) return {false, outcome.ticket, outcome.value.status()};
    return {!*outcome.value, outcome.ticket, std::string(BoolResponse(*outcome.value))};
  }

  const std::string path_, client_name_;
  const InodeId file_;
  const std::optional<BlockVersion> last_block_;
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
    std::make_shared<WaitingComplete>(call, *std::move(place), outcome.ticket, request, last)
        ->Start();
  });
}

}  // namespace cairn::namenode::client_protocol
