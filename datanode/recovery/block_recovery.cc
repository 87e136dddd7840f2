#include "datanode/recovery/block_recovery.h"

#include <algorithm>
#include <future>
#include <type_traits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/fs_error.h"
#include "common/logging.h"
#include "common/status_macros.h"
#include "datanode/service/inter_datanode.h"
#include "proto/hdfs/client_datanode.pb.h"
#include "wire/rpc/client.h"

namespace cairn::datanode {
namespace {

// A datanode that does not answer is gone on without; the namenode orders the recovery again after
// 10 s. Writers stop within milliseconds.
constexpr absl::Duration kInitLimit = absl::Seconds(5);
constexpr absl::Duration kFinishLimit = absl::Seconds(60);      // it may wait for a slow disk
constexpr absl::Duration kRetryTime = absl::Milliseconds(200);  // for a connection

class LocalPeer final : public RecoveryPeer {
 public:
  explicit LocalPeer(ReplicaStore& store) : store_(store) {}

  absl::StatusOr<ReplicaInfo> Init(const internal::RecoverBlock& order) override {
    const BlockId block{order.block().block_id()};
    RETURN_IF_ERROR(StopWriterAndWait(store_, block, kInitLimit));
    return store_.InitRecovery(block, GenerationStamp{order.new_generation_stamp()});
  }
  absl::Status Finish(const internal::RecoverBlock& order, uint64_t length) override {
    return store_.FinishRecovery(BlockId{order.block().block_id()},
                                 GenerationStamp{order.new_generation_stamp()}, length);
  }

 private:
  ReplicaStore& store_;
};

class RemotePeer final : public RecoveryPeer {
 public:
  RemotePeer(const internal::Replicate::Target& target, const std::string& block_pool_id,
             IoThreads& threads)
      : block_pool_id_(block_pool_id),
        client_({.host = target.address().ip(),
                 .port = static_cast<uint16_t>(target.address().ipc_port()),
                 .protocol = std::string(kInterDatanodeProtocol),
                 .user = "datanode",
                 .connect_timeout = kInitLimit,
                 .retry_time = kRetryTime},
                threads) {}

  absl::StatusOr<ReplicaInfo> Init(const internal::RecoverBlock& order) override {
    hdfs::InitReplicaRecoveryRequestProto request;
    request.mutable_block()->set_newgenstamp(order.new_generation_stamp());
    hdfs::LocatedBlockProto* const located = request.mutable_block()->mutable_block();
    FillBlock(order, located->mutable_b());
    located->set_offset(0);
    located->set_corrupt(false);
    for (auto* field : {located->mutable_blocktoken()->mutable_identifier(),
                        located->mutable_blocktoken()->mutable_password(),
                        located->mutable_blocktoken()->mutable_kind(),
                        located->mutable_blocktoken()->mutable_service()}) {
      field->clear();  // present and empty
    }
    hdfs::InitReplicaRecoveryResponseProto response;
    RETURN_IF_ERROR(
        client_.Call("initReplicaRecovery", request, &response,
                     {.timeout = kInitLimit, .idempotency = rpc::Idempotency::kIdempotent}));
    if (!response.replicafound() || !response.has_block()) {
      return MakeFsError(FsError::kReplicaNotFound,
                         absl::StrCat(client_.address(), " has no replica"));
    }
    return ReplicaInfo{.block = BlockId{response.block().blockid()},
                       .stamp = GenerationStamp{response.block().genstamp()},
                       .state = FromReplicaStateProto(response.state()),
                       .length = response.block().numbytes()};
  }

  absl::Status Finish(const internal::RecoverBlock& order, uint64_t length) override {
    hdfs::UpdateReplicaUnderRecoveryRequestProto request;
    FillBlock(order, request.mutable_block());
    request.set_recoveryid(order.new_generation_stamp());
    request.set_newlength(length);
    hdfs::UpdateReplicaUnderRecoveryResponseProto response;
    return client_.Call("updateReplicaUnderRecovery", request, &response,
                        {.timeout = kFinishLimit, .idempotency = rpc::Idempotency::kIdempotent});
  }

 private:
  void FillBlock(const internal::RecoverBlock& order, hdfs::ExtendedBlockProto* out) const {
    out->set_poolid(block_pool_id_);
    out->set_blockid(order.block().block_id());
    out->set_generationstamp(order.block().generation_stamp());
    out->set_numbytes(order.block().length());
  }

  const std::string block_pool_id_;
  rpc::RpcClient client_;
};

// Calls `call(i)` for every i below `count`, all at a time: each waits for another datanode. Where
// the system has no thread for one, it is called in its turn: deferred, as libstdc++ has it.
template <typename Call>
auto CallEach(size_t count, Call call) {
  std::vector<std::future<std::invoke_result_t<Call&, size_t>>> calls;
  for (size_t i = 0; i < count; ++i) {
    calls.push_back(
        std::async(std::launch::async | std::launch::deferred, [&call, i] { return call(i); }));
  }
  std::vector<std::invoke_result_t<Call&, size_t>> results;
  for (auto& result : calls) results.push_back(result.get());
  return results;
}

int RankOf(ReplicaState state) {
  return state == ReplicaState::kFinalized ? 2 : state == ReplicaState::kBeingWritten ? 1 : 0;
}

}  // namespace

absl::Status StopWriterAndWait(ReplicaStore& store, BlockId block, absl::Duration limit) {
  const std::shared_ptr<OpenReplica> open = store.FindOpen(block);
  if (open == nullptr) return absl::OkStatus();
  const auto released = std::make_shared<std::promise<void>>();
  open->StopWriter([released] { released->set_value(); });
  const auto waited = released->get_future().wait_for(absl::ToChronoNanoseconds(limit));
  if (waited == std::future_status::ready) return absl::OkStatus();
  return absl::UnavailableError(
      absl::StrCat(NameOf(block), ": its writer has not stopped in ", absl::FormatDuration(limit)));
}

absl::StatusOr<RecoveryPlan> PlanRecovery(const std::vector<FoundReplica>& found,
                                          GenerationStamp stamp, uint64_t known_bytes,
                                          bool everybody) {
  std::vector<FoundReplica> usable;
  uint64_t longest = 0;
  for (const FoundReplica& replica : found) {
    if (replica.info.stamp < stamp) continue;
    usable.push_back(replica);
    longest = std::max(longest, replica.info.length);
  }
  if (usable.empty()) return absl::NotFoundError("no node has a replica that is new enough");
  if (longest < known_bytes && !everybody) {
    return absl::UnavailableError(absl::StrCat("the replicas found have ", longest, " of ",
                                               known_bytes,
                                               " acknowledged bytes, and others may have more"));
  }
  const uint64_t least = std::min(longest, std::max<uint64_t>(known_bytes, 1));
  std::erase_if(usable, [least](const FoundReplica& r) { return r.info.length < least; });

  const auto rank = [](const FoundReplica& r) {
    const bool finalized = r.info.state == ReplicaState::kFinalized;
    return std::pair(RankOf(r.info.state), finalized ? ToInt(r.info.stamp) : 0);
  };
  auto best = rank(usable.front());
  for (const FoundReplica& replica : usable) best = std::max(best, rank(replica));
  RecoveryPlan plan{.length = UINT64_MAX};
  for (const FoundReplica& replica : usable) {
    if (rank(replica) != best) continue;
    if (replica.info.state == ReplicaState::kFinalized && plan.length != UINT64_MAX &&
        plan.length != replica.info.length) {
      return absl::DataLossError(absl::StrCat("finalized replicas of ", plan.length, " and ",
                                              replica.info.length, " bytes"));
    }
    // Those waiting all hold a beginning of what the writer sent, and those that lost power may
    // lack what was acknowledged: the longest has it, if any has.
    plan.length = replica.info.state == ReplicaState::kWaitingRecovery && plan.length != UINT64_MAX
                      ? std::max(plan.length, replica.info.length)
                      : std::min(plan.length, replica.info.length);
  }
  for (const FoundReplica& replica : usable) {
    if (replica.info.length >= plan.length) plan.nodes.push_back(replica.node);
  }
  return plan;
}

std::unique_ptr<RecoveryPeer> NewLocalPeer(ReplicaStore& store) {
  return std::make_unique<LocalPeer>(store);
}

std::unique_ptr<RecoveryPeer> NewRemotePeer(const internal::Replicate::Target& target,
                                            const std::string& block_pool_id, IoThreads& threads) {
  return std::make_unique<RemotePeer>(target, block_pool_id, threads);
}

absl::Status RecoverBlock(
    const internal::RecoverBlock& order,
    const std::function<std::unique_ptr<RecoveryPeer>(const internal::Replicate::Target&)>& connect,
    const std::function<absl::Status()>& create_empty) {
  std::vector<std::unique_ptr<RecoveryPeer>> peers;
  for (const auto& target : order.replicas()) peers.push_back(connect(target));
  const auto infos = CallEach(peers.size(), [&](size_t node) { return peers[node]->Init(order); });
  std::vector<FoundReplica> found;
  bool everybody = order.all_asked();
  for (size_t node = 0; node < infos.size(); ++node) {
    const absl::StatusOr<ReplicaInfo>& info = infos[node];
    if (info.ok()) {
      found.push_back({.node = node, .info = *info});
    } else {
      LOG_WARN("recovery of {}: {}: {}", NameOf(BlockId{order.block().block_id()}),
               order.replicas(static_cast<int>(node)).address().ip(), info.status());
    }
    everybody &= info.ok() || GetFsError(info.status()) == FsError::kReplicaNotFound;
  }
  if (everybody && found.empty() && order.block().length() == 0) return create_empty();
  ASSIGN_OR_RETURN(const RecoveryPlan plan,
                   PlanRecovery(found, GenerationStamp{order.block().generation_stamp()},
                                order.block().length(), everybody));
  size_t done = 0;
  absl::Status last;
  for (const absl::Status& status : CallEach(plan.nodes.size(), [&](size_t i) {
         return peers[plan.nodes[i]]->Finish(order, plan.length);
       })) {
    if (status.ok()) {
      ++done;
    } else {
      last = status;
      LOG_WARN("recovery of {}: {}", NameOf(BlockId{order.block().block_id()}), status);
    }
  }
  if (done == 0) return last;
  LOG_INFO("{} recovered: {} bytes under stamp {} on {} of {} nodes",
           NameOf(BlockId{order.block().block_id()}), plan.length, order.new_generation_stamp(),
           done, order.replicas_size());
  return absl::OkStatus();
}

}  // namespace cairn::datanode
