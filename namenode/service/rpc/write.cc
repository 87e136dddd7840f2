// namenode/service/rpc/write.cc - calls of those who write files, from create to lease recovery.

#include <algorithm>
#include <array>
#include <numeric>
#include <optional>
#include <string>
#include <vector>

#include "namenode/service/rpc/add_block_call.h"
#include "namenode/service/rpc/client_protocol_methods.h"
#include "namenode/service/rpc/complete_call.h"

namespace cairn::namenode::client_protocol {
namespace {

std::vector<std::string> Uuids(
    const google::protobuf::RepeatedPtrField<hdfs::DatanodeInfoProto>& nodes) {
  std::vector<std::string> uuids;
  uuids.reserve(static_cast<size_t>(nodes.size()));
  for (const hdfs::DatanodeInfoProto& node : nodes) uuids.push_back(node.id().datanodeuuid());
  return uuids;
}

template <typename Strings>
std::vector<std::string> ToVector(const Strings& strings) {
  return {strings.begin(), strings.end()};
}

// Storage ids tell which volume of each node is meant; without them a node means nothing here.
absl::Status CheckParallel(int nodes, int storages) {
  if (nodes == storages) return absl::OkStatus();
  return MakeFsError(
      FsError::kIllegalArgument,
      absl::StrCat("Length mismatched: ", nodes, " datanodes, but ", storages, " storage ids"));
}

absl::Status CheckCreate(const hdfs::CreateRequestProto& request) {
  RETURN_IF_ERROR(CheckClientName(request.clientname()));
  if (request.blocksize() > kMaxSigned) {
    return MakeFsError(FsError::kIllegalArgument, "the block size is negative");
  }
  const bool replicate = (request.createflag() & hdfs::CREATE_FLAG_SHOULD_REPLICATE) != 0;
  if (replicate && !request.ecpolicyname().empty()) {
    return MakeFsError(FsError::kIllegalArgument,
                       "SHOULD_REPLICATE flag and ecPolicyName are exclusive parameters. Set both "
                       "is not allowed!");
  }
  return absl::OkStatus();
}

void Create(const Call& call) {
  WithRequest<hdfs::CreateRequestProto>(call, [&](const auto& request) {
    if (const absl::Status bad = CheckCreate(request); !bad.ok()) return call.reply.Fail(bad);
    const uint32_t flags = request.createflag();  // newer clients may set bits we do not know
    const CreateOptions options{
        .client_name = request.clientname(),
        .mode = request.masked().perm() & kModeMask,
        .create = (flags & hdfs::CREATE_FLAG_CREATE) != 0,
        .overwrite = (flags & hdfs::CREATE_FLAG_OVERWRITE) != 0,
        .create_parent = request.createparent(),
        .replication = request.replication(),
        .block_bytes = request.blocksize(),
        .should_replicate = (flags & hdfs::CREATE_FLAG_SHOULD_REPLICATE) != 0,
        .replicate_while_small = request.replicatewhilesmall(),
        .storage_policy = request.storagepolicy(),
        .erasure_policy = request.ecpolicyname(),
    };
    const auto outcome = call.namenode().Create(call.caller, request.src(), options);
    if (Succeeded(call, outcome)) AnswerFileStatus(call, outcome.ticket, *outcome.value);
  });
}

void Append(const Call& call) {
  WithRequest<hdfs::AppendRequestProto>(call, [&](const auto& request) {
    if (const absl::Status bad = CheckClientName(request.clientname()); !bad.ok()) {
      return call.reply.Fail(bad);
    }
    const bool new_block = (request.flag() & hdfs::CREATE_FLAG_NEW_BLOCK) != 0;
    const auto outcome =
        call.namenode().Append(call.caller, request.src(), request.clientname(), new_block);
    if (!Succeeded(call, outcome)) return;
    BackwardWriter& w = Answer();
    PutFileStatus(w, 2, "", outcome.value->status);
    if (outcome.value->block.has_value()) {
      PutLocatedBlock(w, 1, *outcome.value->block, call.edge().blocks());
    }
    SendAnswer(call, outcome.ticket, w);
  });
}

absl::StatusOr<AddBlockRequest> ToAddBlock(const Edge& edge,
                                           const hdfs::AddBlockRequestProto& request) {
  RETURN_IF_ERROR(CheckClientName(request.clientname()));
  RETURN_IF_ERROR(CheckCount(request.excludenodes_size(), kMaxListedNodes, "excluded datanodes"));
  RETURN_IF_ERROR(CheckCount(request.favorednodes_size(), kMaxListedNodes, "favored datanodes"));
  AddBlockRequest result;
  result.path = request.src();
  result.client_name = request.clientname();
  result.file = InodeId{request.fileid()};
  if (request.has_previous()) {
    ASSIGN_OR_RETURN(result.previous, ToBlock(edge, request.previous()));
  }
  result.excluded = Uuids(request.excludenodes());
  result.favored = ToVector(request.favorednodes());
  for (const int flag : request.flags()) {
    if (flag == hdfs::ADD_BLOCK_FLAG_NO_LOCAL_WRITE) result.no_local_write = true;
    if (flag == hdfs::ADD_BLOCK_FLAG_IGNORE_CLIENT_LOCALITY) result.ignore_locality = true;
  }
  return result;
}

void AddBlock(const Call& call) {
  WithRequest<hdfs::AddBlockRequestProto>(call, [&](const auto& request) {
    const auto wanted = ToAddBlock(call.edge(), request);
    if (!wanted.ok()) return call.reply.Fail(wanted.status());
    AddBlockOrWait(call, *wanted);
  });
}

void AbandonBlock(const Call& call) {
  WithRequest<hdfs::AbandonBlockRequestProto>(call, [&](const auto& request) {
    if (const absl::Status bad = CheckClientName(request.holder()); !bad.ok()) {
      return call.reply.Fail(bad);
    }
    const auto block = ToBlock(call.edge(), request.b());
    if (!block.ok()) return call.reply.Fail(block.status());
    AnswerNothing(
        call, call.namenode().AbandonBlock(call.caller, request.src(), InodeId{request.fileid()},
                                           request.holder(), *block));
  });
}

absl::Status CheckAdditional(const hdfs::GetAdditionalDatanodeRequestProto& request) {
  RETURN_IF_ERROR(CheckClientName(request.clientname()));
  RETURN_IF_ERROR(CheckCount(request.existings_size(), kMaxListedNodes, "existing datanodes"));
  RETURN_IF_ERROR(CheckCount(request.excludes_size(), kMaxListedNodes, "excluded datanodes"));
  if (request.numadditionalnodes() > static_cast<uint32_t>(kMaxListedNodes)) {
    return MakeFsError(
        FsError::kIllegalArgument,
        absl::StrCat(request.numadditionalnodes(), " additional datanodes wanted; the limit is ",
                     kMaxListedNodes));
  }
  return CheckParallel(request.existings_size(), request.existingstorageuuids_size());
}

void GetAdditionalDatanode(const Call& call) {
  WithRequest<hdfs::GetAdditionalDatanodeRequestProto>(call, [&](const auto& request) {
    if (const absl::Status bad = CheckAdditional(request); !bad.ok()) return call.reply.Fail(bad);
    const auto block = ToBlock(call.edge(), request.blk());
    if (!block.ok()) return call.reply.Fail(block.status());
    AnswerLocatedBlock(call,
                       call.namenode().GetAdditionalDatanode(
                           call.caller, request.src(), InodeId{request.fileid()}, *block,
                           ToVector(request.existingstorageuuids()), Uuids(request.excludes()),
                           request.numadditionalnodes(), request.clientname()));
  });
}

void Fsync(const Call& call) {
  WithRequest<hdfs::FsyncRequestProto>(call, [&](const auto& request) {
    if (const absl::Status bad = CheckClientName(request.client()); !bad.ok()) {
      return call.reply.Fail(bad);
    }
    std::optional<uint64_t> length;
    if (request.lastblocklength() >= 0) length = static_cast<uint64_t>(request.lastblocklength());
    AnswerNothing(call, call.namenode().Fsync(call.caller, request.src(), InodeId{request.fileid()},
                                              request.client(), length));
  });
}

// Of a group under its new stamp, which its writer wants alone: no place, and every unit. A Java
// writer takes the token of each of its streams from here, and fails where a unit is missing.
void TellAllUnits(LocatedBlock& group) {
  if (group.erasure == nullptr) return;
  group.storages.clear();
  group.units.resize(group.erasure->schema.units());
  std::iota(group.units.begin(), group.units.end(), uint8_t{0});
}

void UpdateBlockForPipeline(const Call& call) {
  WithRequest<hdfs::UpdateBlockForPipelineRequestProto>(call, [&](const auto& request) {
    if (const absl::Status bad = CheckClientName(request.clientname()); !bad.ok()) {
      return call.reply.Fail(bad);
    }
    const auto block = ToBlock(call.edge(), request.block());
    if (!block.ok()) return call.reply.Fail(block.status());
    auto outcome =
        call.namenode().UpdateBlockForPipeline(call.caller, *block, request.clientname());
    if (outcome.value.ok()) TellAllUnits(*outcome.value);
    AnswerLocatedBlock(call, outcome);
  });
}

absl::Status CheckPipeline(const hdfs::UpdatePipelineRequestProto& request) {
  RETURN_IF_ERROR(CheckClientName(request.clientname()));
  RETURN_IF_ERROR(CheckCount(request.newnodes_size(), kMaxListedNodes, "datanodes"));
  return CheckParallel(request.newnodes_size(), request.storageids_size());
}

void UpdatePipeline(const Call& call) {
  WithRequest<hdfs::UpdatePipelineRequestProto>(call, [&](const auto& request) {
    if (const absl::Status bad = CheckPipeline(request); !bad.ok()) return call.reply.Fail(bad);
    const auto old_block = ToBlock(call.edge(), request.oldblock());
    if (!old_block.ok()) return call.reply.Fail(old_block.status());
    const auto new_block = ToBlock(call.edge(), request.newblock());
    if (!new_block.ok()) return call.reply.Fail(new_block.status());
    // A group's lists are by unit: a unit that was lost has its place, with a node "null" and an
    // empty storage id.
    std::vector<std::string> nodes;
    for (const hdfs::DatanodeIDProto& node : request.newnodes()) {
      nodes.push_back(node.datanodeuuid());
    }
    AnswerNothing(
        call, call.namenode().UpdatePipeline(call.caller, request.clientname(), *old_block,
                                             *new_block, nodes, ToVector(request.storageids())));
  });
}

void RenewLease(const Call& call) {
  WithRequest<hdfs::RenewLeaseRequestProto>(call, [&](const auto& request) {
    if (const absl::Status bad = CheckClientName(request.clientname()); !bad.ok()) {
      return call.reply.Fail(bad);
    }
    AnswerNothing(call, call.namenode().RenewLease(call.caller, request.clientname()));
  });
}

void RecoverLease(const Call& call) {
  WithRequest<hdfs::RecoverLeaseRequestProto>(call, [&](const auto& request) {
    if (const absl::Status bad = CheckClientName(request.clientname()); !bad.ok()) {
      return call.reply.Fail(bad);
    }
    AnswerBool(call,
               call.namenode().RecoverLease(call.caller, request.src(), request.clientname()));
  });
}

// The storages meant by a reported block. Java names only the datanodes: all volumes of each are
// meant then, of which at most one has a replica.
std::vector<std::string> ReportedStorages(const hdfs::LocatedBlockProto& block,
                                          const ClusterView& cluster) {
  if (block.storageids_size() == block.locs_size()) return ToVector(block.storageids());
  std::vector<std::string> storages;
  for (const hdfs::DatanodeInfoProto& location : block.locs()) {
    const ClusterView::Node* const node = cluster.FindByUuid(location.id().datanodeuuid());
    if (node == nullptr) continue;
    for (const StorageInfo& storage : node->info->storages) storages.push_back(storage.uuid);
  }
  return storages;
}

absl::Status CheckReport(const hdfs::ReportBadBlocksRequestProto& request) {
  int locations = 0;
  for (const hdfs::LocatedBlockProto& block : request.blocks()) locations += block.locs_size();
  RETURN_IF_ERROR(CheckCount(request.blocks_size(), kMaxListedNodes, "blocks"));
  return CheckCount(locations, kMaxListedNodes, "locations");
}

void ReportBadBlocks(const Call& call) {
  WithRequest<hdfs::ReportBadBlocksRequestProto>(call, [&](const auto& request) {
    if (const absl::Status bad = CheckReport(request); !bad.ok()) return call.reply.Fail(bad);
    const auto cluster = call.namenode().cluster().View();
    uint64_t ticket = 0;
    absl::Status first_error;
    for (const hdfs::LocatedBlockProto& located : request.blocks()) {
      // One wrong block must not keep the others from being known.
      const auto block = ToBlock(call.edge(), located.b());
      if (!block.ok()) {
        first_error.Update(block.status());
        continue;
      }
      const auto outcome =
          call.namenode().ReportBadBlock(call.caller, *block, ReportedStorages(located, *cluster));
      ticket = std::max(ticket, outcome.ticket);
      first_error.Update(outcome.value.status());
    }
    if (!first_error.ok()) return call.reply.FailAt(ticket, first_error);
    call.reply.SendBytesAt(ticket, "");
  });
}

constexpr std::array kWriteMethods = {
    Method{"create", Create, /*at_most_once=*/true},
    Method{"append", Append, /*at_most_once=*/true},
    Method{"addBlock", AddBlock},
    Method{"abandonBlock", AbandonBlock},
    Method{"getAdditionalDatanode", GetAdditionalDatanode},
    Method{"complete", Complete},
    Method{"fsync", Fsync},
    Method{"updateBlockForPipeline", UpdateBlockForPipeline},
    Method{"updatePipeline", UpdatePipeline, /*at_most_once=*/true},
    Method{"renewLease", RenewLease},
    Method{"recoverLease", RecoverLease},
    Method{"reportBadBlocks", ReportBadBlocks},
};

}  // namespace

absl::Span<const Method> WriteMethods() { return kWriteMethods; }

}  // namespace cairn::namenode::client_protocol
