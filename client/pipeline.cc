#include "client/pipeline.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/transfer_reply.h"
#include "common/fs_error.h"
#include "common/status_macros.h"
#include "proto/hdfs/client_namenode.pb.h"
#include "wire/transfer/ack.h"
#include "wire/transfer/op.h"
#include "wire/transfer/sign_of_life.h"

namespace cairn::client {
namespace {

constexpr absl::Duration kFirstPause = absl::Milliseconds(100);
constexpr absl::Duration kLongestPause = absl::Seconds(3);
// With doubling pauses about 12 s, and the namenode itself waits for 2 s in each.
constexpr int kAddBlockTries = 8;

constexpr absl::Duration kExtraPerNode = absl::Seconds(5);  // as HDFS's clients and datanodes
constexpr absl::Duration kLongestSilence = absl::Seconds(30);

constexpr size_t kAddNodeTries = 3;  // new nodes, each with another of the present ones as source

// The index in `answer` of the one node that `present` has not.
std::optional<size_t> NewNode(const PipelineTarget& present, const PipelineTarget& answer) {
  for (size_t i = 0; i < answer.nodes.size(); ++i) {
    const std::string& uuid = answer.nodes[i].id().datanodeuuid();
    const bool known =
        std::any_of(present.nodes.begin(), present.nodes.end(),
                    [&](const auto& node) { return node.id().datanodeuuid() == uuid; });
    if (!known) return i;
  }
  return std::nullopt;
}

hdfs::OpWriteBlockProto MakeOp(const ClientContext& context, const PipelineTarget& target,
                               const SetUpRequest& request,
                               const transfer::DataChecksum& checksum) {
  hdfs::OpWriteBlockProto op;
  auto& base = *op.mutable_header()->mutable_baseheader();
  *base.mutable_block() = target.block;
  // Lets the datanode set that much aside; it is no length.
  base.mutable_block()->set_numbytes(request.block_bytes);
  *base.mutable_token() = target.token;
  op.mutable_header()->set_clientname(context.client_name);
  op.set_stage(request.stage);
  op.set_pipelinesize(static_cast<uint32_t>(target.nodes.size()));
  op.set_minbytesrcvd(request.min_bytes);
  op.set_maxbytesrcvd(request.max_bytes);
  op.set_latestgenerationstamp(request.generation_stamp);
  *op.mutable_requestedchecksum() = checksum.ToProto();
  if (context.options.silence_limit > absl::ZeroDuration()) {
    op.set_signoflifems(transfer::SilenceToWire(context.options.silence_limit));
  }
  op.set_storagetype(target.storage_types[0]);
  op.set_storageid(target.storage_ids[0]);
  for (size_t i = 1; i < target.nodes.size(); ++i) {
    *op.add_targets() = target.nodes[i];
    op.add_targetstoragetypes(target.storage_types[i]);
    op.add_targetstorageids(target.storage_ids[i]);
  }
  return op;
}

// Has `source` send its replica of `to`'s block to the last node of `to`.
absl::Status TransferReplica(const ClientContext& context, const hdfs::DatanodeInfoProto& source,
                             const PipelineTarget& to) {
  hdfs::OpTransferBlockProto op;
  *op.mutable_header()->mutable_baseheader()->mutable_block() = to.block;
  *op.mutable_header()->mutable_baseheader()->mutable_token() = to.token;
  op.mutable_header()->set_clientname(context.client_name);
  *op.add_targets() = to.nodes.back();
  op.add_targetstoragetypes(to.storage_types.back());
  op.add_targetstorageids(to.storage_ids.back());
  ASSIGN_OR_RETURN(Socket socket,
                   context.ConnectTransfer(source.id(), SilenceLimit(context.options, 2)));
  const std::string bytes = transfer::EncodeOp(transfer::Opcode::kTransferBlock, op);
  socket.SetReadTimeout(PipelineTimeout(context.options, 2));  // of source and target
  RETURN_IF_ERROR(socket.Send(std::as_bytes(std::span(bytes))));
  hdfs::BlockOpResponseProto reply;
  RETURN_IF_ERROR(ReceiveDelimited(socket, reply));
  if (reply.status() == hdfs::STATUS_SUCCESS) return absl::OkStatus();
  return FromTransferStatus(
      reply.status(), reply.message(),
      absl::StrCat(socket.peer(), ": copying block ", to.block.blockid(), " to ",
                   to.nodes.back().id().ipaddr(), ":", to.nodes.back().id().xferport()));
}

}  // namespace

void PipelineTarget::RemoveNode(size_t index) {
  const auto at = static_cast<ptrdiff_t>(index);
  nodes.erase(nodes.begin() + at);
  storage_types.erase(storage_types.begin() + at);
  storage_ids.erase(storage_ids.begin() + at);
}

absl::StatusOr<PipelineTarget> ToTarget(const hdfs::LocatedBlockProto& located) {
  PipelineTarget target{.block = located.b(), .token = located.blocktoken()};
  const int count = located.locs_size();
  if (count == 0 || static_cast<size_t>(count) > transfer::kMaxPipelineNodes ||
      (located.storageids_size() != 0 && located.storageids_size() != count) ||
      (located.storagetypes_size() != 0 && located.storagetypes_size() != count)) {
    return absl::InternalError(absl::StrCat("the server sent block ", located.b().blockid(),
                                            " with ", count, " locations and ",
                                            located.storageids_size(), " storages"));
  }
  for (int i = 0; i < count; ++i) {
    target.nodes.push_back(located.locs(i));
    target.storage_types.push_back(located.storagetypes_size() == 0 ? hdfs::STORAGE_TYPE_DISK
                                                                    : located.storagetypes(i));
    target.storage_ids.push_back(located.storageids_size() == 0 ? "" : located.storageids(i));
  }
  return target;
}

absl::Duration PipelineTimeout(const ClientOptions& options, size_t nodes) {
  return options.read_timeout + kExtraPerNode * nodes;
}

absl::Duration PipelineHeartbeatAfter(const ClientOptions& options) {
  return std::min(options.read_timeout / 2, kLongestSilence);
}

absl::Duration SilenceLimit(const ClientOptions& options, size_t nodes, bool spare) {
  const absl::Duration whole = PipelineTimeout(options, nodes);
  if ((nodes <= 1 && !spare) || options.silence_limit <= absl::ZeroDuration()) return whole;
  return std::min(options.silence_limit, whole);
}

namespace {

// The reply to a set-up, behind the signs of life that may come before it.
absl::Status ReceiveSetUpReply(ClientContext& context, Socket& socket, size_t nodes,
                               hdfs::BlockOpResponseProto& reply) {
  const absl::Duration whole = PipelineTimeout(context.options, nodes);
  const absl::Duration give_up = context.clock.Monotonic() + whole;
  const bool impatient = context.set_up_signs.load() != ClientContext::Signs::kNotGiven;
  socket.SetReadTimeout(impatient ? SilenceLimit(context.options, nodes) : whole);
  while (true) {
    const absl::Status status = ReceiveDelimited(socket, reply);
    if (!status.ok()) {
      NoteSetUpSilence(context);
      return status;
    }
    NoteSetUpSigns(context, reply);
    if (reply.status() != hdfs::STATUS_IN_PROGRESS) return absl::OkStatus();
    if (context.clock.Monotonic() >= give_up) {
      return absl::UnavailableError(
          absl::StrCat(socket.peer(), ": no end of the set-up in ", absl::FormatDuration(whole)));
    }
  }
}

}  // namespace

std::string EncodeSetUp(const ClientContext& context, const PipelineTarget& target,
                        const SetUpRequest& request, const transfer::DataChecksum& checksum) {
  return transfer::EncodeOp(transfer::Opcode::kWriteBlock,
                            MakeOp(context, target, request, checksum));
}

void NoteSetUpSigns(ClientContext& context, const hdfs::BlockOpResponseProto& reply) {
  using Signs = ClientContext::Signs;
  if (reply.signsoflife()) {
    context.set_up_signs.store(Signs::kGiven);
  } else if (reply.status() == hdfs::STATUS_SUCCESS) {  // a refusal says nothing of signs
    context.set_up_signs.store(Signs::kNotGiven);
  }
}

void NoteSetUpSilence(ClientContext& context) {
  using Signs = ClientContext::Signs;
  Signs unknown = Signs::kUnknown;
  context.set_up_signs.compare_exchange_strong(unknown, Signs::kNotGiven);
}

std::optional<PipelineFailure> RefusalOf(const PipelineTarget& target,
                                         const hdfs::BlockOpResponseProto& reply) {
  const std::string& bad = reply.firstbadlink();
  if (reply.status() == hdfs::STATUS_SUCCESS && bad.empty()) return std::nullopt;
  PipelineFailure failure;
  for (size_t i = 0; i < target.nodes.size(); ++i) {
    const hdfs::DatanodeIDProto& id = target.nodes[i].id();
    if (bad == absl::StrCat(id.ipaddr(), ":", id.xferport())) failure.bad_node = i;
  }
  const hdfs::DatanodeIDProto& id = target.nodes[failure.bad_node].id();
  failure.status = absl::UnavailableError(absl::StrCat(
      id.ipaddr(), ":", id.xferport(), ": setting up a pipeline for block ", target.block.blockid(),
      ": ", reply.message().empty() ? "refused" : reply.message()));
  return failure;
}

std::optional<OpenPipeline> SetUpPipeline(ClientContext& context, const PipelineTarget& target,
                                          const SetUpRequest& request,
                                          const transfer::DataChecksum& checksum,
                                          PipelineFailure& failure) {
  failure = {};
  absl::StatusOr<Socket> socket = context.ConnectTransfer(
      target.nodes[0].id(), SilenceLimit(context.options, target.nodes.size()));
  if (!socket.ok()) {
    failure.status = socket.status();
    return std::nullopt;
  }
  const std::string bytes = EncodeSetUp(context, target, request, checksum);
  hdfs::BlockOpResponseProto reply;
  failure.status = socket->Send(std::as_bytes(std::span(bytes)));
  if (failure.status.ok()) {
    failure.status = ReceiveSetUpReply(context, *socket, target.nodes.size(), reply);
  }
  if (!failure.status.ok()) return std::nullopt;
  if (std::optional<PipelineFailure> refusal = RefusalOf(target, reply)) {
    failure = *std::move(refusal);
    return std::nullopt;
  }
  return OpenPipeline{.socket = *std::move(socket), .gives_signs = reply.signsoflife()};
}

absl::StatusOr<hdfs::LocatedBlockProto> AddLocatedBlock(
    const WrittenFile& file, const hdfs::ExtendedBlockProto* previous,
    const std::vector<hdfs::DatanodeInfoProto>& excluded) {
  hdfs::AddBlockRequestProto request;
  request.set_src(file.path);
  request.set_clientname(file.context->client_name);
  request.set_fileid(file.inode);
  if (previous != nullptr) *request.mutable_previous() = *previous;
  for (const hdfs::DatanodeInfoProto& node : excluded) *request.add_excludenodes() = node;
  absl::Duration pause = kFirstPause;
  for (int attempt = 1;; ++attempt) {
    auto response = file.context->Call<hdfs::AddBlockResponseProto>("addBlock", file.path, request);
    if (response.ok()) return std::move(*response->mutable_block());
    if (GetFsError(response.status()) != FsError::kNotReplicatedYet || attempt == kAddBlockTries) {
      return response.status();
    }
    absl::SleepFor(pause);
    pause = std::min(pause * 2, kLongestPause);
  }
}

absl::StatusOr<PipelineTarget> AddBlock(const WrittenFile& file,
                                        const hdfs::ExtendedBlockProto* previous,
                                        const std::vector<hdfs::DatanodeInfoProto>& excluded) {
  ASSIGN_OR_RETURN(const hdfs::LocatedBlockProto added, AddLocatedBlock(file, previous, excluded));
  if (added.has_blockindices()) {
    return absl::InternalError(
        absl::StrCat(file.path, ": the server sent a block group for a file with replicas"));
  }
  return ToTarget(added);
}

absl::Status AbandonBlock(const WrittenFile& file, const hdfs::ExtendedBlockProto& block) {
  hdfs::AbandonBlockRequestProto request;
  *request.mutable_b() = block;
  request.set_src(file.path);
  request.set_holder(file.context->client_name);
  request.set_fileid(file.inode);
  return file.context->Call<hdfs::AbandonBlockResponseProto>("abandonBlock", file.path, request)
      .status();
}

absl::StatusOr<hdfs::LocatedBlockProto> RenewBlock(const WrittenFile& file,
                                                   const hdfs::ExtendedBlockProto& block) {
  hdfs::UpdateBlockForPipelineRequestProto request;
  *request.mutable_block() = block;
  request.set_clientname(file.context->client_name);
  ASSIGN_OR_RETURN(auto response, file.context->Call<hdfs::UpdateBlockForPipelineResponseProto>(
                                      "updateBlockForPipeline", file.path, request));
  return std::move(*response.mutable_block());
}

absl::StatusOr<uint64_t> RenewStamp(const WrittenFile& file, PipelineTarget& target) {
  ASSIGN_OR_RETURN(const hdfs::LocatedBlockProto renewed, RenewBlock(file, target.block));
  target.token = renewed.blocktoken();
  return renewed.b().generationstamp();
}

absl::StatusOr<PipelineTarget> FindNode(const WrittenFile& file, const PipelineTarget& target,
                                        const std::vector<hdfs::DatanodeInfoProto>& excluded) {
  hdfs::GetAdditionalDatanodeRequestProto request;
  request.set_src(file.path);
  *request.mutable_blk() = target.block;
  for (size_t i = 0; i < target.nodes.size(); ++i) {
    *request.add_existings() = target.nodes[i];
    request.add_existingstorageuuids(target.storage_ids[i]);
  }
  for (const hdfs::DatanodeInfoProto& node : excluded) *request.add_excludes() = node;
  request.set_numadditionalnodes(1);
  request.set_clientname(file.context->client_name);
  request.set_fileid(file.inode);
  ASSIGN_OR_RETURN(const auto response,
                   file.context->Call<hdfs::GetAdditionalDatanodeResponseProto>(
                       "getAdditionalDatanode", file.path, request));
  ASSIGN_OR_RETURN(const PipelineTarget answer, ToTarget(response.block()));
  const std::optional<size_t> added = NewNode(target, answer);
  if (!added.has_value()) {
    return absl::UnavailableError(
        absl::StrCat(file.path,
                     ": Failed to replace a bad datanode on the existing pipeline due "
                     "to no more good datanodes being available to try"));
  }
  PipelineTarget longer = target;
  longer.token = answer.token;
  longer.nodes.push_back(answer.nodes[*added]);
  longer.storage_types.push_back(answer.storage_types[*added]);
  longer.storage_ids.push_back(answer.storage_ids[*added]);
  return longer;
}

absl::Status AddNode(const WrittenFile& file, PipelineTarget& target,
                     std::vector<hdfs::DatanodeInfoProto> excluded) {
  absl::Status status;
  for (size_t attempt = 0; attempt < kAddNodeTries; ++attempt) {
    ASSIGN_OR_RETURN(PipelineTarget longer, FindNode(file, target, excluded));
    status = TransferReplica(*file.context, target.nodes[attempt % target.nodes.size()], longer);
    if (status.ok()) {
      target = std::move(longer);
      return status;
    }
    excluded.push_back(longer.nodes.back());
  }
  return status;
}

absl::Status UpdatePipeline(const WrittenFile& file, const PipelineTarget& target,
                            const hdfs::ExtendedBlockProto& renewed) {
  hdfs::UpdatePipelineRequestProto request;
  request.set_clientname(file.context->client_name);
  *request.mutable_oldblock() = target.block;
  *request.mutable_newblock() = renewed;
  for (size_t i = 0; i < target.nodes.size(); ++i) {
    *request.add_newnodes() = target.nodes[i].id();
    request.add_storageids(target.storage_ids[i]);
  }
  return file.context->Call<hdfs::UpdatePipelineResponseProto>("updatePipeline", file.path, request)
      .status();
}

hdfs::DatanodeInfoProto NoUnit() {
  hdfs::DatanodeInfoProto nobody;
  hdfs::DatanodeIDProto& id = *nobody.mutable_id();
  id.set_ipaddr("null");
  id.set_hostname("null");
  id.set_datanodeuuid("null");
  id.set_xferport(0);
  id.set_infoport(0);
  id.set_ipcport(0);
  return nobody;
}

absl::Status Fsync(const WrittenFile& file, int64_t last_block_bytes) {
  hdfs::FsyncRequestProto request;
  request.set_src(file.path);
  request.set_client(file.context->client_name);
  request.set_lastblocklength(last_block_bytes);
  request.set_fileid(file.inode);
  return file.context->Call<hdfs::FsyncResponseProto>("fsync", file.path, request).status();
}

absl::Status Complete(const WrittenFile& file, const hdfs::ExtendedBlockProto* last) {
  hdfs::CompleteRequestProto request;
  request.set_src(file.path);
  request.set_clientname(file.context->client_name);
  request.set_fileid(file.inode);
  if (last != nullptr) *request.mutable_last() = *last;
  Clock& clock = file.context->clock;
  const absl::Duration deadline = clock.Monotonic() + file.context->options.complete_patience;
  absl::Duration pause = kFirstPause;
  while (true) {
    ASSIGN_OR_RETURN(const auto response, file.context->Call<hdfs::CompleteResponseProto>(
                                              "complete", file.path, request));
    if (response.result()) return absl::OkStatus();
    if (clock.Monotonic() >= deadline) {
      return absl::DeadlineExceededError(
          absl::StrCat("Unable to close file because the last block does not have enough number "
                       "of replicas: ",
                       file.path));
    }
    absl::SleepFor(pause);
    pause = std::min(pause * 2, kLongestPause);
  }
}

}  // namespace cairn::client
