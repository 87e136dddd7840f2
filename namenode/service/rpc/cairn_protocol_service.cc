#include "namenode/service/rpc/cairn_protocol_service.h"

#include "absl/strings/str_cat.h"
#include "common/fs_error.h"
#include "namenode/service/rpc/caller.h"
#include "proto/client.pb.h"
#include "wire/parse_message.h"

namespace cairn::namenode {
namespace {

constexpr absl::string_view kReplaceBlocks = "replaceBlocks";
constexpr absl::string_view kConvertFile = "convertFile";
constexpr absl::string_view kCheckErasurePolicy = "checkErasurePolicy";
constexpr absl::string_view kCodeSmallFile = "codeSmallFile";

using SentBlocks = google::protobuf::RepeatedPtrField<client_calls::BlockVersion>;

BlockVersion ToBlock(const client_calls::BlockVersion& sent) {
  return {BlockId{sent.id()}, GenerationStamp{sent.generation_stamp()}, sent.length()};
}

std::vector<BlockVersion> ToBlocks(const SentBlocks& sent) {
  std::vector<BlockVersion> blocks;
  blocks.reserve(static_cast<size_t>(sent.size()));
  for (const client_calls::BlockVersion& block : sent) blocks.push_back(ToBlock(block));
  return blocks;
}

// Views into `request`, as in the next one.
ReplaceBlocksRequest ToRequest(const client_calls::ReplaceBlocksRequest& request) {
  ReplaceBlocksRequest out{.target = request.target(),
                           .source = request.source(),
                           .client_name = request.client_name(),
                           .target_id = InodeId{request.target_inode()}};
  out.expected = ToBlocks(request.expected());
  out.blocks.reserve(static_cast<size_t>(request.blocks_size()));
  for (const uint64_t block : request.blocks()) out.blocks.push_back(BlockId{block});
  return out;
}

ConvertFileRequest ToRequest(const client_calls::ConvertFileRequest& request) {
  ConvertFileRequest out{.target = request.target(),
                         .source = request.source(),
                         .target_id = InodeId{request.target_inode()}};
  out.expected = ToBlocks(request.expected());
  return out;
}

CodeSmallFileRequest ToRequest(const client_calls::CodeSmallFileRequest& request) {
  CodeSmallFileRequest out{.path = request.path(),
                           .client_name = request.client_name(),
                           .file = InodeId{request.inode()},
                           .source = request.source()};
  if (request.has_last()) out.last = ToBlock(request.last());
  return out;
}

// `make` is the operation, on a request that parses.
template <typename Request, typename Response, typename Make>
void Answer(absl::string_view bytes, rpc::RpcReply& reply, Make make) {
  Request request;
  if (bytes.size() > CairnProtocolService::kMaxRequestBytes || !ParseMessage(bytes, &request)) {
    return reply.Fail(absl::InvalidArgumentError("the request does not parse, or is too large"));
  }
  const Outcome<Nothing> outcome = make(request);
  if (!outcome.value.ok()) return reply.FailAt(outcome.ticket, outcome.value.status());
  reply.SendAt(outcome.ticket, Response());
}

}  // namespace

absl::Status CairnProtocolService::CheckMayConvert(absl::string_view method) const {
  if (upgrade_final_ == nullptr || upgrade_final_()) return absl::OkStatus();
  return MakeFsError(
      FsError::kIo,
      absl::StrCat(method,
                   ": an upgrade is not final yet, and a rollback would find converted files "
                   "without their former blocks. First: cairn namenode -finalize"));
}

void CairnProtocolService::Handle(const rpc::CallInfo& call, absl::string_view method,
                                  absl::string_view bytes, rpc::RpcReply& reply) {
  if (method == kReplaceBlocks) {
    using Request = client_calls::ReplaceBlocksRequest;
    return Answer<Request, client_calls::ReplaceBlocksResponse>(
        bytes, reply, [&](const Request& request) {
          counters_.Count(kReplaceBlocks, call.principal.user);
          return namenode_.ReplaceBlocks(CallerOf(call), ToRequest(request));
        });
  }
  if (method == kConvertFile) {
    if (const absl::Status may = CheckMayConvert(method); !may.ok()) return reply.Fail(may);
    using Request = client_calls::ConvertFileRequest;
    return Answer<Request, client_calls::ConvertFileResponse>(
        bytes, reply, [&](const Request& request) {
          counters_.Count(kConvertFile, call.principal.user);
          return namenode_.ConvertFile(CallerOf(call), ToRequest(request));
        });
  }
  if (method == kCheckErasurePolicy) {
    using Request = client_calls::CheckErasurePolicyRequest;
    return Answer<Request, client_calls::CheckErasurePolicyResponse>(
        bytes, reply, [&](const Request& request) {
          counters_.Count(kCheckErasurePolicy, call.principal.user);
          return namenode_.CheckErasurePolicy(CallerOf(call), request.policy());
        });
  }
  if (method == kCodeSmallFile) {
    using Request = client_calls::CodeSmallFileRequest;
    return Answer<Request, client_calls::CodeSmallFileResponse>(
        bytes, reply, [&](const Request& request) -> Outcome<Nothing> {
          counters_.Count(kCodeSmallFile, call.principal.user);
          // One without blocks has none that a rollback would miss.
          const absl::Status may =
              request.source().empty() ? absl::OkStatus() : CheckMayConvert(method);
          if (!may.ok()) return {may};
          return namenode_.CodeSmallFile(CallerOf(call), ToRequest(request));
        });
  }
  reply.Fail(
      MakeFsError(FsError::kNoSuchMethod, absl::StrCat("Unknown method ", method.substr(0, 128),
                                                       " called on ", protocol(), " protocol.")));
}

}  // namespace cairn::namenode
