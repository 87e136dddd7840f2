// WRITE_BLOCK: setting up one node of a pipeline.
#include <algorithm>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "boost/asio/co_spawn.hpp"
#include "boost/asio/post.hpp"
#include "boost/asio/steady_timer.hpp"
#include "common/logging.h"
#include "datanode/pipeline/block_receiver.h"
#include "datanode/pipeline/context.h"
#include "datanode/pipeline/log_thrown.h"
#include "wire/parse_message.h"
#include "wire/transfer/op.h"
#include "wire/transfer/sign_of_life.h"

namespace cairn::datanode {
namespace {

using Op = hdfs::OpWriteBlockProto;
using transfer::ChecksumType;
using transfer::DataChecksum;
using WriterOr = absl::StatusOr<std::unique_ptr<ReplicaWriter>>;

bool IsTransfer(const Op& op) {
  return op.stage() == Op::TRANSFER_RBW || op.stage() == Op::TRANSFER_FINALIZED;
}
bool IsFromClient(const Op& op) { return !op.header().clientname().empty(); }
bool Creates(const Op& op) { return op.stage() == Op::PIPELINE_SETUP_CREATE || IsTransfer(op); }
// Whether set-up and packets are answered. Failures always are: a copy's sender may look for them.
bool IsAnswered(const Op& op) { return IsFromClient(op) && !IsTransfer(op); }

// The block's, for the log.
std::string NameIn(const Op& op) {
  return NameOf(BlockId{op.header().baseheader().block().blockid()});
}

absl::Status CheckOp(const TransferContext& context, const Op& op) {
  const hdfs::ExtendedBlockProto& block = op.header().baseheader().block();
  if (absl::Status status = CheckPool(context, block); !status.ok()) return status;
  absl::Status status =
      CheckTargets(op.targets(), op.targetstoragetypes_size(), op.targetstorageids_size());
  if (!status.ok()) return status;
  if (static_cast<size_t>(op.targetpinnings_size()) > transfer::kMaxPipelineNodes) {
    return absl::InvalidArgumentError(absl::StrCat(op.targetpinnings_size(), " pinnings"));
  }
  if (op.stage() == Op::DATA_STREAMING || op.stage() == Op::PIPELINE_CLOSE) {
    return absl::InvalidArgumentError(absl::StrCat("stage ", op.stage(), " sets up no pipeline"));
  }
  return DataChecksum::FromProto(op.requestedchecksum()).status();
}

// What is stored is always CRC32C: readers exist that verify nothing else rightly.
DataChecksum StoredChecksum(const Op& op) {
  return DataChecksum(ChecksumType::kCrc32c, op.requestedchecksum().bytesperchecksum());
}

// On a disk thread.
WriterOr OpenWriter(ReplicaStore& store, const Op& op) {
  const hdfs::ExtendedBlockProto& block = op.header().baseheader().block();
  const BlockId id{block.blockid()};
  const GenerationStamp stamp{block.generationstamp()};
  const GenerationStamp new_stamp{std::max(op.latestgenerationstamp(), block.generationstamp())};
  switch (op.stage()) {
    case Op::PIPELINE_SETUP_APPEND:
      return store.OpenForAppend(id, stamp, new_stamp, op.minbytesrcvd(), /*recovery=*/false);
    case Op::PIPELINE_SETUP_APPEND_RECOVERY:
      return store.OpenForAppend(id, stamp, new_stamp, op.minbytesrcvd(), /*recovery=*/true);
    case Op::PIPELINE_SETUP_STREAMING_RECOVERY:
      return store.OpenForStreamingRecovery(id, stamp, new_stamp, op.minbytesrcvd());
    default:
      break;
  }
  ReplicaStore::NewReplica wanted{.block = id,
                                  .stamp = stamp,
                                  .temporary = IsTransfer(op) || !IsFromClient(op),
                                  .checksum = StoredChecksum(op),
                                  .size_hint = block.numbytes(),
                                  .storage_uuid = op.storageid()};
  if (op.has_storagetype()) wanted.type = static_cast<StorageType>(op.storagetype());
  return store.Create(wanted);
}

// A client that has dropped a pipeline comes back with a newer stamp while the old connection may
// still look alive. Whoever comes with no newer stamp is not worth stopping a writer for.
awaitable<void> StopEarlierWriter(ReplicaStore& store, const Op& op) {
  const hdfs::ExtendedBlockProto& block = op.header().baseheader().block();
  const BlockId id{block.blockid()};
  const auto info = store.Find(id);
  const auto open = store.FindOpen(id);
  if (!info.has_value() || open == nullptr) co_return;
  const bool creates = Creates(op);
  const uint64_t new_stamp = creates ? block.generationstamp() : op.latestgenerationstamp();
  if (ToInt(info->stamp) < new_stamp &&
      ToInt(info->stamp) >= (creates ? 0 : block.generationstamp())) {
    co_await StopWriter(open);
  }
}

// How long a silence of the next node is its end: what the client says, or our own setting for a
// client that does not know. Zero: no signs of life are asked for.
absl::Duration SilenceLimit(const TransferContext& context, const Op& op) {
  if (!IsAnswered(op)) return absl::ZeroDuration();
  const absl::Duration asked = transfer::SilenceFromWire(op.signoflifems());
  return asked > absl::ZeroDuration() ? asked : context.options.silence_limit;
}

// Speaks for this node while a set-up takes its time, if the sender asks for it, up to a limit.
class SetUpSigns {
 public:
  SetUpSigns(const TransferContext& context, const std::shared_ptr<Channel>& channel,
             const Op& op) {
    const absl::Duration limit = transfer::SilenceFromWire(op.signoflifems());
    if (!IsAnswered(op) || limit == absl::ZeroDuration()) return;
    state_ =
        std::make_shared<State>(channel, transfer::SignPeriod(limit), context.options.set_up_limit);
    boost::asio::co_spawn(
        channel->executor(), [state = state_] { return Speak(state); }, LogThrown("signs of life"));
  }
  ~SetUpSigns() {
    if (state_ != nullptr) state_->Stop();
  }
  SetUpSigns(const SetUpSigns&) = delete;
  SetUpSigns& operator=(const SetUpSigns&) = delete;

  bool given() const { return state_ != nullptr; }
  // Returns when nothing more is going to be said: the answer may go out.
  awaitable<void> End() {
    if (state_ == nullptr) co_return;
    state_->Stop();
    while (state_->running) co_await state_->ended.Wait();
  }

 private:
  struct State {
    State(const std::shared_ptr<Channel>& to, absl::Duration every, absl::Duration limit)
        : channel(to),
          period(every),
          give_up(std::chrono::steady_clock::now() + absl::ToChronoNanoseconds(limit)),
          timer(to->executor()),
          ended(to->executor()) {}
    void Stop() {
      stopping = true;
      timer.cancel();
    }
    const std::shared_ptr<Channel> channel;
    const absl::Duration period;
    const std::chrono::steady_clock::time_point give_up;
    boost::asio::steady_timer timer;
    Signal ended;
    bool stopping = false;
    bool running = true;
  };

  static awaitable<void> Speak(std::shared_ptr<State> state) {
    const absl::Cleanup end = [&state] {
      state->running = false;
      state->ended.Notify();
    };
    while (!state->stopping) {
      boost::system::error_code ignored;
      state->timer.expires_after(absl::ToChronoNanoseconds(state->period));
      co_await state->timer.async_wait(
          boost::asio::redirect_error(boost::asio::use_awaitable, ignored));
      if (state->stopping || std::chrono::steady_clock::now() >= state->give_up) break;
      hdfs::BlockOpResponseProto reply;
      reply.set_status(hdfs::STATUS_IN_PROGRESS);
      reply.set_signsoflife(true);
      if (!(co_await SendReply(*state->channel, std::move(reply))).ok()) break;
    }
  }

  std::shared_ptr<State> state_;  // null: nobody asked
};

// The answer to a set-up, behind the signs of life that may come before it.
awaitable<absl::StatusOr<hdfs::BlockOpResponseProto>> ReadSetUpReply(Channel& channel,
                                                                     absl::Duration limit) {
  const auto give_up = std::chrono::steady_clock::now() + absl::ToChronoNanoseconds(limit);
  while (true) {
    const absl::StatusOr<std::string> body =
        co_await channel.ReadDelimited(transfer::kMaxReplyBytes);
    if (!body.ok()) co_return body.status();
    hdfs::BlockOpResponseProto reply;
    if (!ParseMessage(*body, &reply)) {
      co_return absl::UnavailableError("its reply is no BlockOpResponseProto");
    }
    if (reply.status() != hdfs::STATUS_IN_PROGRESS) co_return reply;
    if (std::chrono::steady_clock::now() >= give_up) {
      co_return absl::DeadlineExceededError(
          absl::StrCat("the set-up takes longer than ", absl::FormatDuration(limit)));
    }
  }
}

// The operation as the next node is to get it.
Op ForNextNode(const Op& op, absl::Duration silence) {
  Op next = op;
  next.clear_signoflifems();
  if (silence > absl::ZeroDuration()) next.set_signoflifems(transfer::SilenceToWire(silence));
  const auto drop_first = [](auto* list) {
    if (!list->empty()) list->erase(list->begin());
  };
  if (op.targetstoragetypes_size() > 0) next.set_storagetype(op.targetstoragetypes(0));
  if (op.targetstorageids_size() > 0) next.set_storageid(op.targetstorageids(0));
  if (op.targetpinnings_size() > 0) next.set_pinning(op.targetpinnings(0));
  drop_first(next.mutable_targets());
  drop_first(next.mutable_targetstoragetypes());
  drop_first(next.mutable_targetstorageids());
  drop_first(next.mutable_targetpinnings());
  return next;
}

// What the nodes after this one said to the set-up.
struct Downstream {
  std::shared_ptr<Channel> channel;  // null: there is none, or it failed
  hdfs::BlockOpResponseProto reply;
  bool gives_signs = false;
};

// `upstream` takes the new connection with it when it is closed.
awaitable<Downstream> ConnectNext(TransferContext& context, Channel& upstream, const Op& op) {
  Downstream next;
  next.reply.set_status(hdfs::STATUS_SUCCESS);
  next.reply.set_firstbadlink("");
  if (op.targets_size() == 0) co_return next;
  const auto& target = op.targets(0);
  const auto fail = [&](const absl::Status& status) {
    LOG_WARN("pipeline of {}: next node {}: {}", NameIn(op), AddressOf(target), status);
    next.channel = nullptr;
    next.reply.set_status(hdfs::STATUS_ERROR);
    next.reply.set_firstbadlink(AddressOf(target));
    next.reply.set_message(std::string(status.message()));
  };
  const absl::Duration limit =
      context.options.next_node_limit + op.targets_size() * context.options.next_node_extra;
  const absl::Duration silence = SilenceLimit(context, op);
  const absl::Duration wait = silence > absl::ZeroDuration() ? std::min(silence, limit) : limit;
  auto channel = co_await ConnectToDatanode(context, target.id().ipaddr(),
                                            static_cast<uint16_t>(target.id().xferport()), wait);
  if (!channel.ok()) {
    fail(channel.status());
    co_return next;
  }
  next.channel = *std::move(channel);
  upstream.CloseWith(next.channel);
  const std::string bytes =
      transfer::EncodeOp(transfer::Opcode::kWriteBlock, ForNextNode(op, silence));
  const absl::Status sent =
      co_await next.channel->WriteBytes(std::as_bytes(std::span(bytes.data(), bytes.size())));
  if (!sent.ok()) {
    fail(sent);
    co_return next;
  }
  if (!IsAnswered(op)) co_return next;
  absl::StatusOr<hdfs::BlockOpResponseProto> reply = co_await ReadSetUpReply(*next.channel, limit);
  if (!reply.ok()) {
    fail(reply.status());
    co_return next;
  }
  next.reply = *std::move(reply);
  next.gives_signs = next.reply.signsoflife();
  if (!next.gives_signs) next.channel->SetIdleLimit(limit);
  if (next.reply.status() != hdfs::STATUS_SUCCESS) {
    next.channel = nullptr;
    if (next.reply.firstbadlink().empty()) next.reply.set_firstbadlink(AddressOf(target));
    if (next.reply.message().empty()) next.reply.set_message("the next node refused the set-up");
  } else {
    next.reply.set_firstbadlink("");  // written even when empty: some clients count its bytes
  }
  co_return next;
}

// Stage 5: no packets; stamp and length are settled here and below.
awaitable<void> CloseRecovery(TransferContext& context, Channel& channel, const Op& op,
                              SetUpSigns& signs) {
  const hdfs::ExtendedBlockProto& block = op.header().baseheader().block();
  const absl::Status closed = co_await OnDisk(context.disk, [&context, &op, &block] {
    return context.store.RecoverClose(
        BlockId{block.blockid()}, GenerationStamp{block.generationstamp()},
        GenerationStamp{op.latestgenerationstamp()}, op.minbytesrcvd());
  });
  if (!closed.ok()) {
    co_await signs.End();
    (void)co_await SendError(channel, ToReplyStatus(closed), closed.message());
    co_return;
  }
  Downstream next = co_await ConnectNext(context, channel, op);
  co_await signs.End();
  next.reply.clear_signsoflife();
  if (signs.given()) next.reply.set_signsoflife(true);
  (void)co_await SendReply(channel, std::move(next.reply));
}

}  // namespace

absl::Status CheckTargets(
    const google::protobuf::RepeatedPtrField<hdfs::DatanodeInfoProto>& targets, int storage_types,
    int storage_ids) {
  constexpr int kMost = static_cast<int>(transfer::kMaxPipelineNodes);
  if (targets.size() >= kMost || storage_types > kMost || storage_ids > kMost) {
    return absl::InvalidArgumentError(absl::StrCat("pipeline of ", targets.size(), " nodes, with ",
                                                   storage_types, " storage types and ",
                                                   storage_ids, " storages"));
  }
  for (const auto& target : targets) {
    if (target.id().xferport() == 0 || target.id().xferport() > 65535) {
      return absl::InvalidArgumentError(absl::StrCat("target ", AddressOf(target)));
    }
  }
  return absl::OkStatus();
}

std::string AddressOf(const hdfs::DatanodeInfoProto& node) {
  return absl::StrCat(node.id().ipaddr(), ":", node.id().xferport());
}

awaitable<void> StopWriter(std::shared_ptr<OpenReplica> open) {
  const auto executor = co_await boost::asio::this_coro::executor;
  struct Wait {
    explicit Wait(const boost::asio::any_io_executor& executor) : signal(executor) {}
    Signal signal;
    bool done = false;
  };
  const auto wait = std::make_shared<Wait>(executor);
  const auto end = [wait] {
    wait->done = true;
    wait->signal.Notify();
  };
  open->StopWriter([executor, end] { boost::asio::post(executor, end); });
  boost::asio::steady_timer timer(executor, absl::ToChronoNanoseconds(kStopWriterLimit));
  timer.async_wait([end](const boost::system::error_code& cancelled) {
    if (!cancelled) end();
  });
  while (!wait->done) co_await wait->signal.Wait();
}

awaitable<bool> WriteBlock(TransferContext& context, std::shared_ptr<Channel> channel, Op op) {
  const bool answered = IsAnswered(op);
  if (const absl::Status status = CheckOp(context, op); !status.ok()) {
    (void)co_await SendError(*channel, ToReplyStatus(status), status.message());
    co_return false;
  }
  SetUpSigns signs(context, channel, op);
  co_await StopEarlierWriter(context.store, op);
  if (op.stage() == Op::PIPELINE_CLOSE_RECOVERY) {
    co_await CloseRecovery(context, *channel, op, signs);
    co_return false;
  }
  const DataChecksum client_checksum = *DataChecksum::FromProto(op.requestedchecksum());
  WriterOr writer = co_await OnDisk(context.disk, [&context, &op, &client_checksum]() -> WriterOr {
    if (Creates(op)) {
      const absl::Status fits =
          BlockReceiver::CheckNewChecksums(StoredChecksum(op), client_checksum);
      if (!fits.ok()) return fits;
    }
    WriterOr opened = OpenWriter(context.store, op);
    if (!opened.ok()) return opened;
    const absl::Status fits = BlockReceiver::CheckChecksums((*opened)->checksum(), client_checksum);
    if (!fits.ok()) return fits;
    return opened;
  });
  if (!writer.ok()) {
    LOG_WARN("write of {} from {}: {}", NameIn(op), channel->PeerName(), writer.status());
    co_await signs.End();
    (void)co_await SendError(*channel, ToReplyStatus(writer.status()), writer.status().message());
    co_return false;
  }
  (*writer)->open().SetStopper([channel] { channel->Abort(); });
  Downstream next = co_await ConnectNext(context, *channel, op);
  const bool good = next.reply.status() == hdfs::STATUS_SUCCESS;
  co_await signs.End();
  next.reply.clear_signsoflife();
  if (signs.given()) next.reply.set_signsoflife(true);
  absl::Status status;
  if (answered) status = co_await SendReply(*channel, next.reply);
  if (!status.ok() || (answered && !good)) {
    if (op.stage() == Op::PIPELINE_SETUP_CREATE) (*writer)->Discard();
    (void)co_await OnDisk(context.disk, [&writer] {
      writer->reset();
      return 0;
    });
    co_return false;
  }
  const auto receiver = BlockReceiver::Create(
      {.disk = &context.disk,
       .buffers = &context.buffers,
       .checksum_buffers = &context.checksum_buffers,
       .buffer_waiters = &context.buffer_waiters,
       .checksum_waiters = &context.checksum_waiters,
       .upstream = channel,
       .mirror = next.channel,
       .writer = *std::move(writer),
       .client_checksum = client_checksum,
       .send_acks = answered,
       .finalize = op.stage() != Op::TRANSFER_RBW,
       .flush_delay = context.options.flush_delay,
       .buffer_wait = context.options.buffer_wait,
       .stall_limit = context.options.stall_limit,
       .sign_period = transfer::SignPeriod(transfer::SilenceFromWire(op.signoflifems())),
       .mirror_gives_signs = next.gives_signs,
       .stuck_limit = context.options.next_node_limit});
  {
    uint64_t told = 0;
    const absl::Cleanup forget = [&context, &told] { context.writers.Remove(told); };
    if (answered) {
      told = context.writers.Add([weak = std::weak_ptr(receiver)] {
        if (const auto running = weak.lock()) running->AnnounceRestart();
      });
    }
    status = co_await receiver->Run();
  }
  context.bytes_written.fetch_add(receiver->received_bytes(), std::memory_order_relaxed);
  if (!status.ok()) {
    LOG_INFO("write of {} from {} ended: {}", NameIn(op), channel->PeerName(), status);
    // Who copies a replica learns here that its own is bad.
    if (!answered) {
      (void)co_await SendError(
          *channel, receiver->bad_checksum() ? hdfs::STATUS_ERROR_CHECKSUM : hdfs::STATUS_ERROR,
          status.message());
    }
  } else if (IsTransfer(op)) {
    hdfs::BlockOpResponseProto close;
    close.set_status(hdfs::STATUS_SUCCESS);
    close.set_firstbadlink("");
    (void)co_await SendReply(*channel, std::move(close));
  }
  co_return false;
}

}  // namespace cairn::datanode
