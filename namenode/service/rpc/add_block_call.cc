#include "namenode/service/rpc/add_block_call.h"

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "namenode/namespace/path.h"
#include "namenode/service/rpc/replica_wait.h"

namespace cairn::namenode::client_protocol {
namespace {

// What a waiting call may keep of its request, which may name thousands of datanodes: no more than
// complete() does. Real ones name some ten.
constexpr size_t kMaxKeptBytes = kMaxPathBytes + kMaxClientNameBytes;

size_t KeptBytes(const AddBlockRequest& request) {
  size_t bytes = request.path.size() + request.client_name.size();
  for (const auto* const names : {&request.excluded, &request.favored}) {
    for (const std::string& name : *names) bytes += sizeof(name) + name.size();
  }
  return bytes;
}

bool LacksReplicas(const Outcome<LocatedBlock>& outcome) {
  return !outcome.value.ok() && GetFsError(outcome.value.status()) == FsError::kNotReplicatedYet;
}

class WaitingAddBlock final : public ReplicaWait {
 public:
  WaitingAddBlock(const Call& call, WaitingPlace place, uint64_t ticket,
                  const AddBlockRequest& request)
      : ReplicaWait(call, std::move(place), ticket),
        path_(request.path),
        client_name_(request.client_name),
        request_(request) {
    request_.path = path_;
    request_.client_name = client_name_;
  }

 private:
  // A client that is gone gets no block: it may have asked again by another connection, have given
  // that block back and be about to end its file with the one before.
  Tried Try(const Caller& caller, bool client_gone, std::function<void()> on_replica) override {
    if (client_gone) return {false, 0, absl::CancelledError("the client has gone")};
    const Outcome<LocatedBlock> outcome =
        edge().namenode.AddBlock(caller, request_, std::move(on_replica));
    if (!outcome.value.ok()) {
      return {LacksReplicas(outcome), outcome.ticket, outcome.value.status()};
    }
    BackwardWriter& w = Answer();
    PutLocatedBlock(w, 1, *outcome.value, edge().blocks());
    return {false, outcome.ticket, std::string(w.view())};
  }

  const std::string path_, client_name_;
  AddBlockRequest request_;  // views of the two above
};

}  // namespace

void AddBlockOrWait(const Call& call, const AddBlockRequest& request) {
  const Outcome<LocatedBlock> outcome = call.namenode().AddBlock(call.caller, request, nullptr);
  if (!LacksReplicas(outcome) || KeptBytes(request) > kMaxKeptBytes) {
    return AnswerLocatedBlock(call, outcome);
  }
  auto place = WaitingPlace::Take(call.edge_owner, call.edge().options.complete_wait);
  if (!place) return AnswerLocatedBlock(call, outcome);
  std::make_shared<WaitingAddBlock>(call, *std::move(place), outcome.ticket, request)->Start();
}

}  // namespace cairn::namenode::client_protocol
